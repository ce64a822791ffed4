//! Secrets of the configuration: never shown, and never taken from where everybody could read them.

use crate::configuration::{SECRET, Variables, check, write};
use crate::{evenload, folder, object, text};

#[test]
fn a_secret_is_never_shown() {
    let cases: [(Option<&str>, &Variables); 5] = [
        (None, &[("EVENLOAD__API__ADMIN_TOKEN", SECRET)]),
        (
            Some("[api]\nadmin_token = \"hunter2-hunter2-hunter2\"\n"),
            &[],
        ),
        // Refused: a space; a misspelt key; not a text; user information in a URL.
        (None, &[("EVENLOAD__API__ADMIN_TOKEN", "hunter2 hunter2")]),
        (
            Some("[api]\nadmin_tokn = \"hunter2\"\nadmin_token = [\"hunter2\"]\n"),
            &[],
        ),
        (None, &[("EVENLOAD__PUBLIC_URL", "https://me:hunter2@host")]),
    ];
    for (file, variables) in cases {
        let checked = check(file, variables);
        assert!(
            !checked.everything.contains("hunter2"),
            "{}",
            checked.everything
        );
    }
    let valid = check(None, &[("EVENLOAD__API__ADMIN_TOKEN", SECRET)]);
    assert_eq!(valid.code, Some(0));
    assert_eq!(valid.answer["config"]["api"]["admin_token"], "[secret]");
}

#[test]
fn a_secret_file_that_everybody_can_read_is_refused() {
    let folder = folder();
    let run = |mode: u32, content: &str| {
        write(folder.path(), "token", content, mode);
        let output = evenload(&folder)
            .args(["check", "--json"])
            .env("EVENLOAD__API__ADMIN_TOKEN_FILE", "token")
            .output()
            .expect("runs");
        assert!(!format!("{output:?}").contains("hunter2"));
        (output.status.code(), object(&output))
    };
    assert_eq!(run(0o600, &format!("{SECRET}\n")).0, Some(0));
    assert_eq!(run(0o640, SECRET).0, Some(0));
    let (code, answer) = run(0o644, SECRET);
    assert_eq!(code, Some(3));
    assert!(
        answer["errors"][0]["detail"]
            .as_str()
            .expect("a sentence")
            .contains("chmod 600")
    );
    assert_eq!(run(0o600, "hunter2 hunter2").0, Some(3));
    assert_eq!(run(0o600, "").0, Some(3));
}

#[test]
fn a_token_in_a_configuration_file_that_everybody_can_read_is_refused() {
    let folder = folder();
    write(
        folder.path(),
        "evenload.toml",
        "[api]\nadmin_token = \"hunter2-hunter2\"\n",
        0o644,
    );
    let output = evenload(&folder).args(["check"]).output().expect("runs");
    assert_eq!(output.status.code(), Some(3));
    assert!(
        text(&output.stderr).contains("api.admin_token"),
        "{output:?}"
    );
    assert!(!text(&output.stderr).contains("hunter2"), "{output:?}");
}

#[test]
fn token_and_token_file_together_are_refused_unless_one_overrides_the_other() {
    let folder = folder();
    write(folder.path(), "token", SECRET, 0o600);
    let both = evenload(&folder)
        .args(["check", "--json"])
        .env("EVENLOAD__API__ADMIN_TOKEN", SECRET)
        .env("EVENLOAD__API__ADMIN_TOKEN_FILE", "token")
        .output()
        .expect("runs");
    assert_eq!(both.status.code(), Some(3));
    write(
        folder.path(),
        "evenload.toml",
        "[api]\nadmin_token_file = \"absent\"\n",
        0o600,
    );
    let over = evenload(&folder)
        .args(["check", "--json"])
        .env("EVENLOAD__API__ADMIN_TOKEN", SECRET)
        .output()
        .expect("runs");
    assert_eq!(over.status.code(), Some(0), "{over:?}");
}
