//! What a page that somebody has open in a browser may do to the stack: nothing.

use std::os::unix::fs::{MetadataExt as _, symlink};

use aws_sdk_s3::presigning::PresigningConfig;

use super::*;

/// One request for each thing that the port does.
async fn routes(stack: &TestStack) -> Vec<(&'static str, String)> {
    let presigning = PresigningConfig::expires_in(Duration::from_mins(1)).unwrap();
    let delete = stack.s3.delete_object().bucket("pinflow-lake").key("a");
    let delete = delete.presigned(presigning).await.unwrap();
    vec![
        ("POST", stack.url("/events/user")),
        ("POST", stack.url("/topics/u.user")),
        ("PUT", stack.url("/streams/u/record")),
        ("GET", stack.url("/health")),
        ("GET", stack.url("/")),
        ("GET", stack.url("/_local/status.json")),
        ("GET", stack.url("/_local/secret-file")),
        ("GET", stack.url("/pinflow-lake/a")),
        ("GET", stack.url("/pinflow-lake?list-type=2")),
        ("DELETE", delete.uri().to_owned()),
        ("POST", stack.url("/pinflow-lake?delete")),
        ("OPTIONS", stack.url("/events/user")),
    ]
}

#[tokio::test]
async fn a_foreign_page_is_answered_nothing_by_any_route() {
    let stack = start().await;
    let file = stack.folder.path().join("pinflow-lake/a");
    std::fs::write(&file, "rows").unwrap();
    let own = stack
        .stack
        .url()
        .strip_prefix("http://")
        .unwrap()
        .to_owned();
    let foreign: [&[(&str, &str)]; 5] = [
        &[("host", "rebound.example")],
        &[("origin", "http://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site")],
        &[
            ("host", "rebound.example"),
            ("origin", "http://rebound.example"),
            ("sec-fetch-site", "same-origin"),
        ],
    ];
    for (method, url) in routes(&stack).await {
        for headers in foreign {
            let mut request = stack.http.request(method.parse().unwrap(), &url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let answer = request
                .body(r#"{"ind": 1, "first_name": "x"}"#)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 403, "{method} {url} {headers:?}");
            assert!(
                answer
                    .headers()
                    .get("access-control-allow-origin")
                    .is_none()
            );
            let text = answer.text().await.unwrap();
            assert!(!text.contains("rows") && !text.contains("secret"), "{text}");
        }
    }
    assert_eq!(std::fs::read(&file).unwrap(), b"rows");
    // Its own page, and programs.
    for headers in [
        &[("origin", format!("http://{own}"))][..],
        &[("sec-fetch-site", "same-origin".to_owned())],
        &[],
    ] {
        let mut request = stack.http.get(stack.url("/_local/status.json"));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        assert_eq!(request.send().await.unwrap().status(), 200, "{headers:?}");
    }
}

#[tokio::test]
async fn nothing_beside_the_bucket_is_served_and_no_link_is_followed() {
    let stack = start().await;
    let out = stack.folder.path();
    std::fs::create_dir_all(out.join("home/.ssh")).unwrap();
    std::fs::write(out.join("home/.ssh/key"), "private").unwrap();
    symlink(out.join("home"), out.join("pinflow-lake/home")).unwrap();
    symlink(out.join("home/.ssh/key"), out.join("pinflow-lake/key")).unwrap();
    for (bucket, key) in [
        ("home", ".ssh/key"),
        (".pinflow", "secret"),
        ("pinflow-lake", "home/.ssh/key"),
        ("pinflow-lake", "key"),
    ] {
        let get = stack.s3.get_object().bucket(bucket).key(key).send().await;
        assert!(get.is_err(), "{bucket}/{key}");
        let put = stack.s3.put_object().bucket(bucket).key(key);
        let put = put.body(b"x".to_vec().into()).send().await;
        assert!(put.is_err(), "{bucket}/{key}");
        let plain = stack
            .http
            .get(stack.url(&format!("/{bucket}/{key}")))
            .send()
            .await
            .unwrap();
        assert!(!plain.status().is_success(), "{bucket}/{key}");
    }
    assert_eq!(
        std::fs::read(out.join("home/.ssh/key")).unwrap(),
        b"private"
    );
    let buckets = stack.s3.list_buckets().send().await.unwrap();
    let names: Vec<_> = buckets
        .buckets()
        .iter()
        .filter_map(|bucket| bucket.name())
        .collect();
    assert_eq!(names, ["pinflow-lake"]);
    assert!(
        stack
            .s3
            .list_objects_v2()
            .bucket("home")
            .send()
            .await
            .is_err()
    );
    let listed = stack
        .s3
        .list_objects_v2()
        .bucket("pinflow-lake")
        .send()
        .await
        .unwrap();
    assert_eq!(listed.contents().len(), 0);
}

#[tokio::test]
async fn the_secret_is_of_the_folder_and_its_owners_alone() {
    let stack = start().await;
    let out = stack.folder.path();
    let mode = |name: &str| std::fs::metadata(out.join(name)).unwrap().mode() & 0o777;
    assert_eq!(
        [
            mode(".pinflow"),
            mode("pinflow-lake"),
            mode(".pinflow/secret")
        ],
        [0o700, 0o700, 0o600]
    );
    let named = stack
        .http
        .get(stack.url("/_local/secret-file"))
        .send()
        .await
        .unwrap();
    let secret = std::fs::read_to_string(named.text().await.unwrap()).unwrap();
    assert_eq!((secret.as_str(), secret.len()), (stack.stack.secret(), 32));
    for wrong in ["local", "", "0123"] {
        let s3 = aws_sdk_s3::Client::new(&sdk_config(stack.stack.url(), wrong));
        let put = s3.put_object().bucket("pinflow-lake").key("b");
        assert!(
            put.body(b"x".to_vec().into()).send().await.is_err(),
            "{wrong}"
        );
    }
    assert_ne!(start().await.stack.secret(), secret);
}
