//! fourinsight-client
