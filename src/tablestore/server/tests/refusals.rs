//! Tests requests with a wrong head: the caller, the date, the operation or the signature.

use super::*;
use crate::plain_buffer::encode_change;
use store::change::RowWrite;
use testkit::Random;

/// Returns a put that would succeed.
fn put_row() -> table::PutRowRequest {
    table::PutRowRequest {
        table_name: "Orders".to_owned(),
        row: encode_change(&order_key(text("user"), text("order")), &RowWrite::Put(Vec::new())).into(),
        condition: table::Condition::default(),
        return_content: None,
        transaction_id: None,
    }
}

fn good() -> Asking {
    Asking::new("/PutRow", &put_row())
}

fn shifted(minutes: i64) -> String {
    format_date(Clock::default().now_us() + minutes * 60_000_000)
}

struct Case {
    name: &'static str,
    asking: Asking,
    status: u16,
    code: &'static str,
    message: &'static str,
    /// Whether the answer is signed.
    signed: bool,
}

fn case(name: &'static str, asking: Asking, status: u16, code: &'static str, message: &'static str) -> Case {
    Case { name, asking, status, code, message, signed: true }
}

fn unsigned(
    name: &'static str,
    asking: Asking,
    status: u16,
    code: &'static str,
    message: &'static str,
) -> Case {
    Case { signed: false, ..case(name, asking, status, code, message) }
}

fn cases() -> Vec<Case> {
    let invalid = "OTSParameterInvalid";
    let auth = "OTSAuthFailed";
    let unknown_key = "The AccessKeyID does not exist.";
    let with = |name: &str, value: &str| good().with(name, Some(value)).sign(false);
    let wrong_secret = SigningKey::Secret("guess".into());
    vec![
        case(
            "get",
            Asking { method: "GET", ..good() }.sign(false),
            405,
            "OTSMethodNotAllowed",
            "Only POST method",
        ),
        unsigned(
            "get, bare",
            Asking { method: "GET", headers: vec![], ..good() },
            405,
            "OTSMethodNotAllowed",
            "Only",
        ),
        unsigned("no signature", good(), 400, invalid, "Missing header: x-ots-signature."),
        case(
            "no date",
            good().with("x-ots-date", None).sign(false),
            400,
            invalid,
            "Missing header: x-ots-date.",
        ),
        case(
            "no md5",
            good().with("x-ots-contentmd5", None).sign(false),
            400,
            invalid,
            "Missing header: x-ots-contentmd5.",
        ),
        case(
            "no date of the body",
            with("x-ots-date", "yesterday"),
            400,
            invalid,
            "Invalid date format: yesterday.",
        ),
        case(
            "late",
            with("x-ots-date", &shifted(-16)),
            403,
            auth,
            "Mismatch between system time and x-ots-date: ",
        ),
        case(
            "early",
            with("x-ots-date", &shifted(16)),
            403,
            auth,
            "Mismatch between system time and x-ots-date: ",
        ),
        case("version", with("x-ots-apiversion", "2014-08-08"), 400, invalid, "Unsupported x-ots-apiversion"),
        unsigned("key id", with("x-ots-accesskeyid", "other"), 403, auth, unknown_key),
        case("instance", with("x-ots-instancename", "other"), 403, auth, "The instance is not found."),
        case(
            "md5",
            with("x-ots-contentmd5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
            403,
            auth,
            "Mismatch between MD5 value",
        ),
        unsigned("secret", good().sign_as(&wrong_secret, "/PutRow"), 403, auth, "Signature mismatch."),
        unsigned(
            "secret, V4",
            good().sign_as(&SigningKey::derive("guess", &today(), REGION), "/PutRow"),
            403,
            auth,
            "Signature mismatch.",
        ),
        unsigned("path", good().sign_as(&key(false), "/GetRow"), 403, auth, "Signature mismatch."),
        unsigned(
            "V4 without a region",
            good().sign(true).with("x-ots-signregion", None),
            400,
            invalid,
            "Missing header: x-ots-signregion.",
        ),
        unsigned(
            "V4 of no date",
            good().sign(true).with("x-ots-signdate", Some("2026-11-22")),
            400,
            invalid,
            "Invalid date format: 2026-11-22.",
        ),
        case(
            "operation",
            Asking { path: "/Search".to_owned(), ..good() }.sign(false),
            400,
            invalid,
            "Unsupported operation: Search.",
        ),
        case(
            "case",
            Asking { path: "/putrow".to_owned(), ..good() }.sign(true),
            400,
            invalid,
            "Unsupported operation: putrow.",
        ),
        case(
            "tunnel",
            Asking { path: "/tunnel/getrpo".to_owned(), ..good() }.sign(false),
            400,
            invalid,
            "Unsupported operation: tunnel/getrpo.",
        ),
        case(
            "query",
            Asking { path: "/PutRow?a=b".to_owned(), ..good() }.sign_as(&key(false), "/PutRow"),
            400,
            invalid,
            "A query string is not supported.",
        ),
        case(
            "compression",
            with("x-ots-request-compress-type", "gzip"),
            400,
            invalid,
            "Unsupported x-ots-request-compress-type: gzip.",
        ),
        case(
            "no size",
            with("x-ots-request-compress-type", "deflate"),
            400,
            invalid,
            "Missing header: x-ots-request-compress-size.",
        ),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_heads_have_their_own_refusal() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let commit = running.store.last_commit();
    for Case { name, asking, status, code, message, signed } in cases() {
        let told = wire.ask(&asking).await;
        let error = told.error();
        assert_eq!((told.status, error.0.as_str()), (status, code), "{name}: {error:?}");
        assert!(error.1.starts_with(message), "{name}: {error:?}");
        let v4 = asking.headers.iter().any(|(name, _)| name == "x-ots-signaturev4");
        let path = asking.path.split('?').next().unwrap();
        told.verify(path, signed.then(|| key(v4)).as_ref());
    }
    // A request with two dates has no clear meaning.
    let twice = good().sign(false);
    let date = twice.headers[0].clone();
    let told = wire.ask(&Asking { headers: [vec![date], twice.headers].concat(), ..good() }).await;
    assert_eq!(told.error().1, "Duplicated header: x-ots-date.");
    assert_eq!(running.store.last_commit(), commit, "nothing was written");
    assert_eq!(wire.ask(&good().sign(false)).await.status, 200);
    // These dates are within the limit, and have a fraction as one client writes it.
    let date = shifted(-14).replace(".", ".1").replace('Z', "29Z");
    assert_eq!(wire.ask(&good().with("x-ots-date", Some(&date)).sign(true)).await.status, 200);
    running.stop().await;
}

/// Spoils a signed request in one of many ways. Returns the codes that it may be refused with.
fn spoil(asking: &mut Asking, random: &mut Random) -> &'static [&'static str] {
    const AUTH: &[&str] = &["OTSAuthFailed"];
    const EITHER: &[&str] = &["OTSAuthFailed", "OTSParameterInvalid"];
    let place = random.below(asking.headers.len());
    match random.below(7) {
        // This changes a character of a header. In its name, that makes it another header, or none.
        0 => {
            let (name, _) = &mut asking.headers[place];
            let at = random.below(name.len());
            name.replace_range(at..=at, if name.as_bytes()[at] == b'q' { "z" } else { "q" });
            EITHER
        }
        1 | 2 => {
            let (_, value) = &mut asking.headers[place];
            let at = random.below(value.len());
            let new = random.pick(&["0", "9", "A", "Z", "a", "z", "+", "/", "-", "_"]);
            if value[at..=at] == *new {
                value.insert_str(at, new);
            } else {
                value.replace_range(at..=at, new);
            }
            EITHER
        }
        3 => {
            asking.headers.remove(place);
            EITHER
        }
        4 => {
            let name = format!("x-ots-{}", random.below(1_000));
            asking.headers.push((name, random.below(1_000).to_string()));
            AUTH
        }
        5 => {
            let at = random.below(asking.body.len());
            asking.body[at] ^= 1 << random.below(8);
            AUTH
        }
        _ => {
            let bytes = 1 + random.below(asking.body.len());
            asking.body.truncate(bytes - 1);
            AUTH
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spoiled_requests_are_refused_and_do_nothing() {
    let running = Running::start().await;
    let mut wire = running.connect().await;
    let _: table::CreateTableResponse = wire.call("/CreateTable", &create_orders("Orders")).await;
    let commit = running.store.last_commit();
    for seed in 0..600 {
        let mut random = Random(seed);
        let mut asking = good().sign(seed % 2 == 1);
        let codes = spoil(&mut asking, &mut random);
        let told = wire.ask(&asking).await;
        let (code, message) = told.error();
        assert!(codes.contains(&code.as_str()), "seed {seed}: {code} {message} {asking:?}");
        assert_eq!(told.status, if code == "OTSAuthFailed" { 403 } else { 400 }, "seed {seed}");
    }
    assert_eq!(running.store.last_commit(), commit, "nothing was written");
    running.stop().await;
}
