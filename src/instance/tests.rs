use super::*;

#[test]
fn callers_are_told_an_address_that_they_can_use() {
    for (address, expected) in [
        ("127.0.0.1:8087", "http://127.0.0.1:8087"),
        ("0.0.0.0:1", "http://127.0.0.1:1"),
        ("[::]:1", "http://[::1]:1"),
        ("[::1]:1", "http://[::1]:1"),
        ("10.1.2.3:80", "http://10.1.2.3:80"),
    ] {
        assert_eq!(endpoint(address.parse().unwrap()), expected);
    }
}
