use std::io::Write;

use super::*;

fn args(more: &[&str]) -> UpArgs {
    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        args: UpArgs,
    }
    let all = ["up", "--data", "data"].iter().chain(more);
    <Command as clap::Parser>::try_parse_from(all).unwrap().args
}

fn config(more: &[&str], variables: &[(&str, &str)]) -> Result<InstanceConfig, Failure> {
    instance_config(&args(more), |name| {
        variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

const OWN: [(&str, &str); 2] = [("OTS_AK_ENV", "my-id"), ("OTS_SK_ENV", "my-secret-of-16-or-more")];

#[test]
fn loopback_takes_the_store_s_own_key() {
    for listen in ["127.0.0.1:0", "[::1]:8087", "127.3.2.1:80"] {
        // Keys in the environment may be those of another store, or of the cloud.
        let config = config(&["--listen", listen, "--allow-remote"], &OWN).unwrap();
        assert_eq!((config.own_key, config.durability), (None, Durability::Synced), "{listen}");
    }
}

#[test]
fn other_machines_are_let_in_by_flag_and_with_a_key_of_one_s_own_only() {
    let all = ["--listen", "0.0.0.0:8087"];
    let refused = |more: &[&str], variables: &[(&str, &str)]| {
        let failure = config(&[&all, more].concat(), variables).unwrap_err();
        assert_eq!(failure.exit_code, 2);
        failure.message
    };
    assert_eq!(
        refused(&[], &OWN),
        "0.0.0.0:8087 can be reached from other machines: say --allow-remote if that is meant, or listen on 127.0.0.1"
    );
    let own =
        "--allow-remote needs an access key of your own, from --key-file or from OTS_AK_ENV and OTS_SK_ENV";
    assert_eq!(refused(&["--allow-remote"], &[]), format!("OTS_AK_ENV is missing: {own}"));
    assert_eq!(refused(&["--allow-remote"], &OWN[..1]), format!("OTS_SK_ENV is missing: {own}"));
    assert_eq!(
        refused(&["--allow-remote"], &[OWN[0], ("OTS_SK_ENV", "short")]),
        "the secret OTS_SK_ENV must have at least 16 characters where other machines can try it"
    );
    let config = config(&[&all[..], &["--allow-remote"]].concat(), &OWN).unwrap();
    assert_eq!(config.own_key, Some(KeyPair::new(OWN[0].1, OWN[1].1).unwrap()));
}

#[test]
fn a_key_file_goes_before_all_other_keys() {
    // Made with mode 0600.
    let mut file = tempfile::NamedTempFile::new().unwrap();
    writeln!(file, "OTS_AK_ENV=from-file\nOTS_SK_ENV=secret-from-a-file").unwrap();
    let path = file.path().to_str().unwrap();
    let expected = Some(KeyPair::new("from-file", "secret-from-a-file").unwrap());
    for more in [&[][..], &["--listen", "0.0.0.0:1", "--allow-remote"]] {
        let config = config(&[&["--key-file", path], more].concat(), &OWN).unwrap();
        assert_eq!(config.own_key, expected);
    }
    let failure = config(&["--key-file", "no/such/file"], &OWN).unwrap_err();
    assert_eq!(failure.exit_code, 2);
    assert!(failure.message.starts_with("no/such/file: No such file"), "{failure}");
}

#[test]
fn flags_that_cannot_be() {
    for (more, message) in [
        (["--listen", "8087"], "--listen \"8087\" must be HOST:PORT, such as 127.0.0.1:8087: "),
        (["--listen", "127.0.0.1:70000"], "--listen \"127.0.0.1:70000\" must be HOST:PORT"),
        (["--instance", ""], "--instance \"\" must be"),
        (["--instance", "my shop"], "--instance \"my shop\" must be"),
        (["--instance", "7up"], "--instance \"7up\" must be"),
        (["--instance", "shop-"], "--instance \"shop-\" must be"),
    ] {
        let failure = config(&more, &[]).unwrap_err();
        assert_eq!(failure.exit_code, 2);
        assert!(failure.message.starts_with(message), "{failure}");
    }
}

#[test]
fn lines_for_a_shell() {
    let key = KeyPair::new("id", "secret").unwrap();
    assert_eq!(
        exports("http://127.0.0.1:8087", "shop", &key, true),
        "export OTS_ENDPOINT=http://127.0.0.1:8087\n\
         export OTS_INSTANCE=shop\n\
         export OTS_AK_ENV=id\n\
         export OTS_SK_ENV=secret\n\
         export OTS_REGION=local\n"
    );
    assert!(!exports("http://127.0.0.1:8087", "shop", &key, false).contains("=secret\n"));
}

/// Writes a file of mode 0600, in a folder of its own.
fn private_file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    write!(file, "{text}").unwrap();
    file
}

#[test]
fn a_page_that_other_machines_reach_has_a_token_or_is_said_to_be_open() {
    let file = private_file("a-token-of-20-letter\n");
    let path = file.path().to_str().unwrap();
    let shown = ["--page", "0.0.0.0:8088"];
    let refused = |more: &[&str]| {
        let failure = config(&[&shown, more].concat(), &OWN).unwrap_err();
        assert_eq!(failure.exit_code, 2);
        failure.message
    };
    let remote = "0.0.0.0:8088 can be reached from other machines: say --allow-remote if that is meant, or listen on 127.0.0.1";
    let open = "all who reach 0.0.0.0:8088 could read the page: give it a token with --page-token-file, or say --page-open if that is meant";
    assert_eq!(refused(&[]), remote);
    assert_eq!(refused(&["--page-open"]), remote);
    assert_eq!(refused(&["--page-token-file", path]), remote);
    assert_eq!(refused(&["--allow-remote"]), open);
    for (more, has_token, readers) in [
        (&["--page-open"][..], false, "All"),
        (&["--page-token-file", path], true, "Holders"),
        (&["--page-open", "--page-token-file", path], true, "Holders"),
    ] {
        let config = config(&[&shown[..], &["--allow-remote"], more].concat(), &OWN).unwrap();
        assert_eq!(config.page.unwrap().token.is_some(), has_token, "{more:?}");
        assert!(format!("{:?}", config.metrics_readers).starts_with(readers), "{more:?}");
    }
    // The store alone: its metrics are for this machine, unless something else is said.
    for (more, readers) in [
        (&[][..], "ThisMachine"),
        (&["--page-open"], "All"),
        (&["--no-page", "--page-token-file", path], "Holders"),
    ] {
        let config = config(&[&["--listen", "0.0.0.0:8087", "--allow-remote"], more].concat(), &OWN).unwrap();
        assert!(format!("{:?}", config.metrics_readers).starts_with(readers), "{more:?}");
    }
}

#[test]
fn a_token_file_that_holds_none_is_named() {
    for (text, reason) in [
        ("", "it is empty"),
        ("short\n", "it must have 16 to 512 characters, and has 5"),
        ("two-lines-of-a-file\nare-no-token\n", "it must be one line of letters"),
    ] {
        let file = private_file(text);
        let failure = config(&["--page-token-file", file.path().to_str().unwrap()], &[]).unwrap_err();
        assert_eq!(failure.exit_code, 2);
        let expected = format!("{} holds no token: {reason}", file.path().display());
        assert!(failure.message.starts_with(&expected), "{failure}");
    }
}

#[test]
fn what_travels_in_the_clear_is_said_of_what_other_machines_reach() {
    for (store, page, named) in [
        (true, true, &["--tls-cert", "all rows", "what the page shows", "its token", "secret"][..]),
        (true, false, &["--tls-cert", "all rows", "secret"]),
        (false, true, &["--tls-cert", "what the page shows", "its token"]),
    ] {
        let said = in_the_clear(store, page).unwrap();
        assert!(!said.contains('\n') && named.iter().all(|name| said.contains(name)), "{said}");
        assert_eq!(said.contains("rows"), store, "{said}");
        assert_eq!(said.contains("page"), page, "{said}");
    }
    assert_eq!(in_the_clear(false, false), None);
}
