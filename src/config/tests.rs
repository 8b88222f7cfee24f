//! What an admin may rely on when writing files: each mistake is found, placed and explained.

use super::*;
use secrecy::ExposeSecret;
use std::os::unix::fs::PermissionsExt;

/// Files under a fresh directory.
fn place(files: &[(&str, &str)]) -> (tempfile::TempDir, Place) {
    let dir = tempfile::tempdir().expect("a directory");
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }
    let place = Place { dir: dir.path().to_owned(), dev: true };
    (dir, place)
}

fn at(dir: &Path, dev: bool) -> Place {
    Place { dir: dir.to_owned(), dev }
}

/// A connector file whose vendor table ends with `more`, led by `top`.
fn connector(top: &str, more: &str) -> String {
    format!(
        "{top}\n[secrets]\npw = {{ env = \"PATH\" }}\n[servicenow]\norigin = \"http://127.0.0.1:9\"\nuser = \"dutyd\"\n\
         {more}\n[servicenow.sign_in.basic]\npassword = \"pw\"\n"
    )
}

#[test]
fn the_shipped_settings_are_read() {
    let settings = shipped_settings();
    assert_eq!(settings.mode, Mode::Observe, "nothing is written before an admin says so");
    assert_eq!(settings.poll_interval, jiff::SignedDuration::from_secs(60));
    assert_eq!(settings.sandbox.clock, None);
}

#[test]
fn a_key_left_out_has_the_shipped_value() {
    let (_dir, place) = place(&[("dutyd.toml", "mode = \"write\"\n[metrics]\nlisten = \"off\"\n")]);
    let settings = settings(&place.dir).expect("settings");
    let shipped = shipped_settings();
    assert_eq!((settings.mode, settings.metrics.listen), (Mode::Write, Listen::Off));
    assert_eq!((settings.webhook, settings.text), (shipped.webhook, shipped.text));
}

#[test]
fn each_mistake_in_dutyd_toml_is_placed_and_explained() {
    let long = format!("mode = \"{}\"", "x".repeat(10_000));
    let table: &[(&str, u32, u32, &str, &str)] = &[
        ("mod = \"write\"", 1, 1, "unknown key `mod`", "did you mean `mode`?"),
        ("\n[webhok]\nlisten = \"off\"", 2, 2, "unknown key `webhok`", "did you mean `webhook`?"),
        ("[webhook]\n  lisen = \"off\"", 2, 3, "unknown key `lisen`", "did you mean `listen`?"),
        (
            "[log]\nfree_min = \"5%\"",
            2,
            1,
            "unknown key `free_min`",
            "`free_min` belongs to [storage]; known here",
        ),
        ("[log]\nfree_mn = \"5%\"", 2, 1, "unknown key `free_mn`", "`free_min` belongs to [storage]"),
        ("mode = \"wirte\"", 1, 8, "`wirte` is not a known value", "did you mean `write`?"),
        (
            "writes_per_hour = \"200\"",
            1,
            19,
            "a text stands here, expected is a whole number",
            "without quotes",
        ),
        ("writes_per_hour = -1", 1, 19, "a whole number from 0 to 4294967295", "without quotes"),
        ("mode = true", 1, 8, "a text in quotes is expected", "shipped file"),
        (&long, 1, 8, "xxx…", "it is one of observe, write"),
        (
            "poll_interval = \"60 Sekunden\"",
            1,
            17,
            "\"60 Sekunden\" is not a length of time",
            "\"90s\", \"5m\"",
        ),
        ("poll_interval = \"1 month\"", 1, 17, "\"1 month\" is not a length of time", "\"90s\", \"5m\""),
        (
            "poll_interval = 60",
            1,
            17,
            "a number stands here, expected is a length of time",
            "\"90s\", \"5m\"",
        ),
        ("start_from = \"yesterday\"", 1, 14, "\"yesterday\" is not an instant", "2026-03-01T00:00:00Z"),
        ("start_from = 2026-03-01", 1, 14, "expected is an instant", "2026-03-01T00:00:00Z"),
        ("[webhook]\nlisten = \"8480\"", 2, 10, "`8480` is no address to listen on", "127.0.0.1:8480"),
        ("poll_interval = \"1s\"", 1, 1, "between 5s and 24h", "\"60s\""),
        ("[webhook]\nlisten = \"localhost\"", 2, 10, "`localhost` is no address", "an IP address and port"),
        (
            "[text]\nzone = \"Europe/Berln\"",
            2,
            1,
            "no time zone `Europe/Berln`",
            "did you mean \"Europe/Berlin\"?",
        ),
        ("[text]\nzone = \"our office\"", 2, 1, "no time zone `our office`", "an IANA name"),
        ("[network]\nproxy = \"proxy\"", 2, 1, "not the address of a proxy", "http://host:port"),
        ("[network]\nca_file = \"/nonexistent.pem\"", 2, 1, "cannot read /nonexistent.pem", "PEM"),
        ("mode = observe", 1, 8, "not TOML", "texts in quotes"),
        ("mode = “observe”", 1, 8, "not TOML", "straight quotes"),
        ("mode = \"observe", 1, 16, "not TOML", "texts in quotes"),
        ("mode = \"observe\"\nmode = \"write\"", 2, 1, "duplicate key", "each key once"),
    ];
    for (text, line, column, message, remedy) in table {
        let (_dir, place) = place(&[("dutyd.toml", text)]);
        let problems = settings(&place.dir).expect_err(text);
        let found = problems.iter().any(|problem| {
            (problem.line, problem.column) == (*line, *column)
                && problem.message.contains(message)
                && problem.message.len() < 200
                && problem.remedy.contains(remedy)
                && problem.file.ends_with("dutyd.toml")
        });
        assert!(found, "{text}: {problems:#?}");
    }
}

#[test]
fn all_mistakes_of_a_file_are_reported_at_once() {
    let text =
        "mod = 1\nwrites_per_hour = \"x\"\n[webhook]\nlisten = 3\nlissen = 4\n[log]\nlevel = \"loud\"\n";
    let (_dir, place) = place(&[("dutyd.toml", text)]);
    let problems = settings(&place.dir).expect_err("mistakes");
    let lines: Vec<u32> = problems.iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 4, 5, 7], "{problems:#?}");
}

#[test]
fn each_mistake_in_a_connector_file_is_placed_and_explained() {
    let table = [
        (connector("mdoe = \"write\"", ""), 1, "unknown key `mdoe`", "did you mean `mode`?"),
        (connector("", "orign = \"x\""), 7, "unknown key `orign`", "did you mean `origin`?"),
        (connector("", "tables = [\"incidnt\"]"), 7, "`incidnt` is not a known value", "`incident`"),
        (connector("name = \"Support EU\"", ""), 1, "cannot be the name of a source", "support-eu"),
        (connector("", "").replace("http://127.0.0.1:9", "http://acme.example"), 5, "plain http", ""),
        (
            connector("", "").replace("password = \"pw\"", "password = \"pv\""),
            9,
            "no secret of this name",
            "did you mean `pw`?",
        ),
        (connector("poll_interval = \"5 Minuten\"", ""), 1, "is not a length of time", "\"5m\""),
        (connector("start_from = \"01.03.2026\"", ""), 1, "is not an instant", "2026-03-01T00:00:00Z"),
        (connector("", "mode = \"write\""), 7, "unknown key `mode`", "above the first [table]"),
        (
            connector("", "").replace("http://127.0.0.1:9", "acme.example"),
            5,
            "is no address",
            "one like https://",
        ),
        (
            connector("", "").replace("password = \"pw\"", "passwort = \"pw\""),
            9,
            "unknown key `passwort`",
            "did you mean `password`?",
        ),
        (
            connector("", "").replace("env = \"PATH\"", "env = \"NO_SUCH_VARIABLE\""),
            3,
            "no variable",
            "export",
        ),
        (
            connector("", "").replace("[servicenow", "[servicnow"),
            4,
            "unknown key `servicnow`",
            "`servicenow`",
        ),
        (String::new(), 0, "the file names no system", "[servicenow]"),
    ];
    for (text, line, message, remedy) in table {
        let (_dir, place) = place(&[("connectors/acme.toml", &text)]);
        let problems = Config::load(&place).expect_err(&text);
        let found = problems.iter().any(|problem| {
            problem.line == line && problem.message.contains(message) && problem.remedy.contains(remedy)
        });
        assert!(found, "{text}: {problems:#?}");
    }
}

#[test]
fn a_secret_that_is_missing_hides_no_other_mistake() {
    let text = connector("", "overlap_seconds = 999999").replace("\"PATH\"", "\"NO_SUCH_VARIABLE\"");
    let (_dir, place) = place(&[("connectors/acme.toml", &text)]);
    let problems = Config::load(&place).expect_err("mistakes");
    let told: Vec<(u32, &str)> =
        problems.iter().map(|problem| (problem.line, problem.message.as_str())).collect();
    let [(3, secret), (7, value)] = told[..] else { panic!("{problems:#?}") };
    assert!(secret.contains("no variable") && value.contains("overlap_seconds"), "{problems:#?}");
}

#[test]
fn a_mistyped_key_is_told_once_and_not_as_missing_too() {
    let table = [
        connector("", "").replace("origin =", "orign ="),
        connector("", "").replace("origin = \"http://127.0.0.1:9\"", "origin = 5"),
        connector("", "").replace("password =", "pasword ="),
        connector("", "").replace("[servicenow", "[servicnow"),
    ];
    for text in table {
        let (_dir, place) = place(&[("connectors/acme.toml", &text)]);
        let problems = Config::load(&place).expect_err(&text);
        assert_eq!(problems.len(), 1, "{text}: {problems:#?}");
    }
}

#[test]
fn a_secret_in_the_wrong_place_is_never_repeated() {
    let table = [
        connector("", "").replace("{ env = \"PATH\" }", "\"hunter2\""),
        connector("", "").replace("{ env = \"PATH\" }", "'hunter2'"),
        connector("", "").replace("{ env = \"PATH\" }", "[\"hunter2\"]"),
        connector("", "").replace("password = \"pw\"", "password = \"hunter2\""),
        connector("", "").replace("password = \"pw\"", "password = { value = \"hunter2\" }"),
        "[secrets]\nurl = \"hunter2\"\n[slack]\nurl = \"url\"\n".to_owned(),
        "[slack]\nurl = \"hunter2\"\n".to_owned(),
    ];
    for text in table {
        let folder = if text.contains("slack") { "notify/duty.toml" } else { "connectors/acme.toml" };
        let (_dir, place) = place(&[(folder, &text)]);
        let problems = Config::load(&place).expect_err(&text);
        assert!(!format!("{problems:?}").contains("hunter2"), "{problems:#?}");
    }
}

#[test]
fn what_cannot_be_read_is_told_with_what_to_do() {
    let (dir, place) = place(&[("connectors/acme.toml", &connector("", ""))]);
    let path = dir.path().join("connectors/acme.toml");
    let good = std::fs::read(&path).expect("the file");
    let mut utf16: Vec<u8> = vec![0xff, 0xfe];
    utf16.extend(good.iter().flat_map(|byte| [*byte, 0]));
    let latin = [&good[..], b"# f\xfcr\n"].concat();
    let lines = good.iter().filter(|byte| **byte == b'\n').count() as u32 + 1;
    for (bytes, place_in_file) in [(utf16, (1, 1)), (latin, (lines, 4))] {
        std::fs::write(&path, bytes).expect("a file");
        let problems = Config::load(&place).expect_err("no UTF-8");
        assert_eq!((problems[0].line, problems[0].column), place_in_file, "{problems:#?}");
        assert!(problems[0].remedy.contains("UTF-8"), "{problems:#?}");
    }
    for fine in [
        [b"\xef\xbb\xbf", &good[..]].concat(),
        String::from_utf8_lossy(&good).replace('\n', "\r\n").into_bytes(),
    ] {
        std::fs::write(&path, fine).expect("a file");
        assert!(Config::load(&place).is_ok(), "a byte order mark and line ends of Windows are no mistake");
    }
    std::fs::remove_file(&path).expect("removed");
    let told = |remedy: &str| {
        let problems = Config::load(&place).expect_err(remedy);
        assert!(problems[0].remedy.contains(remedy), "{problems:#?}");
    };
    std::os::unix::fs::symlink("/nonexistent", &path).expect("a link");
    told("a link must lead somewhere");
    std::fs::rename(&path, path.with_extension("yaml")).expect("another name");
    told("write it as NAME.toml");
    std::fs::remove_file(path.with_extension("yaml")).expect("removed");
    std::fs::create_dir(&path).expect("a folder");
    told("a file is expected here");
    std::fs::remove_dir_all(dir.path().join("connectors")).expect("removed");
    std::fs::write(dir.path().join("connectors"), "").expect("a file");
    told("a folder is expected here");
    std::fs::remove_file(dir.path().join("connectors")).expect("removed");
    std::os::unix::fs::symlink("/nonexistent", dir.path().join("dutyd.toml")).expect("a link");
    told("a link must lead somewhere");
    std::fs::write(dir.path().join("policy"), "").expect("a file");
    let problems = policy_files(dir.path()).expect_err("no folder, and not the shipped policy instead");
    assert!(problems[0].remedy.contains("a folder is expected here"), "{problems:#?}");
}

#[test]
fn a_source_is_named_after_its_file_and_held_back_as_the_machine_is() {
    let settings = "mode = \"write\"\nwrites_per_hour = 7\n";
    let (_dir, place) = place(&[
        ("dutyd.toml", settings),
        ("connectors/acme.toml", &connector("", "")),
        (
            "connectors/own.toml",
            &connector("name = \"other\"\nmode = \"observe\"\npoll_interval = \"30s\"", "scope = \"a=b\""),
        ),
    ]);
    let config = Config::load(&place).expect("a configuration");
    let seen: Vec<_> = config.sources.iter().map(|source| (source.name.as_str(), &source.brakes)).collect();
    let brakes = |mode, seconds| Brakes {
        mode,
        writes_per_hour: 7,
        poll_interval: jiff::SignedDuration::from_secs(seconds),
        start_from: None,
    };
    assert_eq!(seen, [("acme", &brakes(Mode::Write, 60)), ("other", &brakes(Mode::Observe, 30))]);
}

#[test]
fn two_sources_of_the_same_cases_are_refused_and_two_of_one_system_remarked() {
    let two = |more: &str| {
        let second = connector("", more);
        let (_dir, place) =
            place(&[("connectors/acme.toml", &connector("", "")), ("connectors/copy.toml", &second)]);
        let survey = Survey::of(&place);
        let told = |problems: &[Problem]| {
            problems.iter().map(|found| (found.line, found.message.clone())).collect::<Vec<_>>()
        };
        (told(&survey.problems), told(&survey.remarks))
    };
    let (problems, remarks) = two("concurrency = 1");
    assert!(
        matches!(&problems[..], [(5, said)] if said.contains("every note would go out twice")),
        "{problems:?}"
    );
    assert_eq!(remarks, []);
    for more in ["scope = \"category=network\"", "tables = [\"sn_customerservice_case\"]"] {
        let (problems, remarks) = two(more);
        assert_eq!(problems, [], "{more}");
        assert!(
            matches!(&remarks[..], [(5, said)] if said.contains("`acme` reads this system, too")),
            "{remarks:?}"
        );
    }
}

#[test]
fn two_sources_of_one_name_are_refused() {
    let (_dir, place) = place(&[
        ("connectors/acme.toml", &connector("", "")),
        ("connectors/own.toml", &connector("name = \"acme\"", "")),
    ]);
    let problems = Config::load(&place).expect_err("a clash");
    assert!(problems[0].message.contains("another file has a source named `acme`"), "{problems:?}");
}

#[test]
fn the_sandbox_clock_is_refused_beside_a_real_system() {
    let clock = "[sandbox]\nclock = \"http://127.0.0.1:9\"\n";
    let real = connector("", "").replace("http://127.0.0.1:9", "https://acme.example");
    let (_dir, mixed) = place(&[("dutyd.toml", clock), ("connectors/acme.toml", &real)]);
    let problems = Config::load(&mixed).expect_err("a real system");
    assert!(problems[0].message.contains("`acme` is a real system"), "{problems:?}");
    let (_dir, local) = place(&[("dutyd.toml", clock), ("connectors/acme.toml", &connector("", ""))]);
    assert!(Config::load(&local).is_ok());
    let (_dir, far) = place(&[("dutyd.toml", "[sandbox]\nclock = \"http://10.0.0.1:9\"\n")]);
    assert!(Config::load(&far).expect_err("not here")[0].message.contains("not on loopback"));
}

#[test]
fn secrets_from_the_environment_need_dev() {
    let source = SecretSource::Env("PATH".to_owned());
    assert!(source.resolve(&at(Path::new("/"), true)).is_ok());
    assert!(
        source
            .resolve(&at(Path::new("/"), false))
            .expect_err("refused")
            .message
            .contains("environment are refused")
    );
}

#[test]
fn a_secret_file_that_others_may_read_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("secret");
    std::fs::write(&path, "s3cret\n").expect("a file");
    let source = SecretSource::File(path.clone());
    let strict = at(dir.path(), false);
    for (mode, allowed) in [(0o600, true), (0o400, true), (0o640, false), (0o644, false), (0o604, false)] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).expect("a mode");
        assert_eq!(source.resolve(&strict).is_ok(), allowed, "{mode:o}");
    }
    let secret = source.resolve(&at(dir.path(), true)).expect("a secret");
    assert_eq!(secret.expose_secret(), "s3cret", "the line break is not part of it");
}

#[test]
fn a_credential_is_read_beside_the_configuration_where_systemd_hands_over_none() {
    let (_dir, place) = place(&[("cred/token", "s3cret\n")]);
    let credential = |name: &str| SecretSource::Credential(name.to_owned()).resolve(&place);
    assert_eq!(credential("token").expect("a secret").expose_secret(), "s3cret");
    assert!(credential("tokn").expect_err("absent").remedy.contains("cred/tokn"));
    for name in ["", "../token", "a/b", ".hidden"] {
        assert!(credential(name).expect_err(name).message.contains("cannot be the name"), "{name}");
    }
}

#[test]
fn a_secret_never_prints() {
    let (_dir, place) = place(&[("connectors/acme.toml", &connector("", ""))]);
    let config = Config::load(&place).expect("a configuration");
    let printed = format!("{config:?}");
    assert!(!printed.contains(&std::env::var("PATH").expect("a PATH")), "{printed}");
}

#[test]
fn every_vendor_has_a_shipped_connector_file_and_each_is_read() {
    let folder = format!("{}/config/connectors", env!("CARGO_MANIFEST_DIR"));
    let secrets = tempfile::tempdir().expect("a directory");
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("a file");
        let text = with_secret_files(&text, secrets.path());
        let name = path.display().to_string();
        let source = Source::read(&name, &text, &shipped_settings(), &at(secrets.path(), true));
        source.unwrap_or_else(|problems| panic!("{name}: {problems:#?}")).config.vendor()
    };
    let read: Vec<&str> = toml_files(Path::new(&folder)).expect("files").into_iter().map(read).collect();
    for vendor in vendors() {
        assert!(read.contains(&vendor.as_str()), "{vendor}: {read:?}");
        assert!(shipped::connector(&vendor).is_some(), "{vendor} is not in the binary");
    }
}

/// The shipped file with each credential replaced by a file.
fn with_secret_files(text: &str, dir: &Path) -> String {
    let file = dir.join("secret");
    std::fs::write(&file, "x").expect("a secret");
    let replace = |line: &str| match line.split_once("{ credential = ") {
        Some((key, _)) if !line.starts_with('#') => {
            format!("{key}{{ file = {:?} }}", file.display().to_string())
        }
        _ => line.to_owned(),
    };
    text.lines().map(replace).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_committed_schemas_are_up_to_date() {
    for of in SchemaOf::ALL {
        let path = format!("{}/config/schema/{}", env!("CARGO_MANIFEST_DIR"), of.file_name());
        let fresh = serde_json::to_string_pretty(&schema(of)).expect("JSON") + "\n";
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, &fresh).expect(&path);
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == fresh, "{path} is not up to date: run UPDATE=1 cargo test");
    }
}

#[test]
fn the_schemas_accept_what_the_reader_accepts() {
    let shipped: toml::Table = DEFAULTS.parse().expect("TOML");
    let table = [
        (SchemaOf::Config, serde_json::to_value(&shipped).expect("JSON"), true),
        (SchemaOf::Config, serde_json::json!({"mode": "write"}), true),
        (SchemaOf::Config, serde_json::json!({"mod": "write"}), false),
        (SchemaOf::Config, serde_json::json!({"webhook": {"lisen": "off"}}), false),
        (SchemaOf::Connector, serde_json::json!({"mode": "write"}), false),
        (SchemaOf::Connector, serde_json::to_value(connector_table()).expect("JSON"), true),
    ];
    for (of, value, accepted) in table {
        let validator = jsonschema::validator_for(&schema(of)).expect("a schema");
        let errors: Vec<String> = validator.iter_errors(&value).map(|error| error.to_string()).collect();
        assert_eq!(errors.is_empty(), accepted, "{value}: {errors:?}");
    }
}

fn connector_table() -> toml::Table {
    connector("name = \"acme\"", "").parse().expect("TOML")
}
