//! `init`, `completions`, `openapi`: before the first start, and for other programs.

use crate::{evenload, folder, object, text};

const ANSWERS: &str = "Yard North\nEurope/Amsterdam\n120\n0,25\ncorrect horse battery\n";

#[test]
fn five_answers_make_a_site_a_person_and_a_configuration() {
    let folder = folder();
    let output = evenload(&folder)
        .arg("init")
        .write_stdin(ANSWERS)
        .output()
        .expect("runs");
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(text(&output.stdout).contains("evenload serve"));
    assert!(folder.path().join("evenload.toml").is_file());
    assert!(folder.path().join("evenload-data").is_dir());
    let check = evenload(&folder).arg("check").output().expect("runs");
    assert_eq!(check.status.code(), Some(0), "{check:?}");
    let again = evenload(&folder)
        .arg("init")
        .write_stdin(ANSWERS)
        .output()
        .expect("runs");
    assert_eq!(again.status.code(), Some(3), "{again:?}");
}

#[test]
fn a_wrong_answer_leaves_nothing_behind() {
    for (answers, fault) in [
        ("Yard\nMars/Base\n", "time zone"),
        ("Yard\n\n-5\n", "-5"),
        ("Yard\n\n\n", "no answer"),
        ("Yard\n\n100\n\nshort\n", "12 characters"),
    ] {
        let folder = folder();
        let output = evenload(&folder)
            .arg("init")
            .write_stdin(answers)
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(3), "{answers:?}: {output:?}");
        assert!(text(&output.stderr).contains(fault), "{output:?}");
        let left = std::fs::read_dir(folder.path()).expect("readable").count();
        assert_eq!(left, 0, "{answers:?}");
    }
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let output = evenload(&folder())
            .args(["completions", shell])
            .output()
            .expect("runs");
        assert_eq!(output.status.code(), Some(0), "{shell}");
        assert!(text(&output.stdout).contains("partner"), "{shell}");
    }
}

#[test]
fn the_api_description_is_printed_as_one_object() {
    let output = evenload(&folder())
        .args(["openapi", "--json"])
        .output()
        .expect("runs");
    let document = object(&output);
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/sites"].is_object());
}
