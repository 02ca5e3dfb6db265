use crate::support::TestStack;

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_record_does_not_block_the_shard() {
    let stack = TestStack::start().await;
    let good = br#"{"ind": 1, "first_name": "Ada"}"#;
    // One partition key, so one shard.
    let first = stack.put("any", good).await;
    let mut poison = Vec::new();
    let deep = vec![b'['; 100_000];
    let payloads: [&[u8]; 5] = [b"\xff", b"{", b"[]", b"{\"ind\": 1}", &deep];
    for payload in payloads {
        poison.push(stack.put("any", payload).await);
    }
    let last = stack.put("any", good).await;
    stack.drain().await;
    let lake = stack.lake();
    assert_eq!(lake.clean_positions(), [first, last]);
    assert_eq!(lake.quarantined_positions(), poison);
    let codes: Vec<_> = lake
        .quarantine
        .iter()
        .map(|line| line.code.as_str())
        .collect();
    assert_eq!(
        codes,
        [
            "not_utf8",
            "not_json",
            "not_an_object",
            "unknown_kind",
            "not_json"
        ]
    );
    for (line, payload) in lake.quarantine.iter().zip(payloads) {
        assert_eq!(
            line.payload().unwrap(),
            payload,
            "the whole payload is kept"
        );
    }
    stack.stop().await;
}
