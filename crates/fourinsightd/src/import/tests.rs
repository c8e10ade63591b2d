//! What holds for every reader, whatever is fed to it.
