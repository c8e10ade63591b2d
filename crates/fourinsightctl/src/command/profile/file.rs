//! A file as a person names it: from the folder they are in, or from their home.

use std::path::{Path, PathBuf};

/// The whole path, where it is known and text.
pub(super) fn absolute(typed: &str) -> Option<String> {
    let typed = typed.trim();
    if typed.is_empty() {
        return None;
    }
    whole(typed, std::env::home_dir().as_deref()).and_then(|path| path.into_os_string().into_string().ok())
}

/// No shell opens the `~` behind `file:`.
fn whole(typed: &str, home: Option<&Path>) -> Option<PathBuf> {
    match typed.strip_prefix("~/") {
        Some(rest) => home.map(|home| home.join(rest)),
        None => std::path::absolute(typed).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_from_the_home_or_the_current_folder() {
        let here = std::env::current_dir().unwrap();
        let home = here.join("home");
        assert_eq!(whole("~/s/x", Some(&home)), Some(home.join("s/x")));
        assert_eq!(whole("~/x", None), None);
        assert_eq!(whole("./a/x", None), Some(here.join("a/x")));
        assert_eq!(whole("~x", Some(&home)), Some(here.join("~x")));
        let own = here.join("x");
        assert_eq!(absolute(own.to_str().unwrap()), own.to_str().map(str::to_owned));
        assert_eq!(absolute("  "), None);
    }
}
