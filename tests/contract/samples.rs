//! The sample events. What each of them comes to is asserted beside its function's handler.

use crate::{names, read};

#[test]
fn samples_belong_to_functions_and_are_json() {
    assert_eq!(names("events"), names("functions"));
    for function in names("events") {
        let samples = names(&format!("events/{function}"));
        assert!(!samples.is_empty(), "{function} has no sample");
        for sample in samples {
            let text = read(&format!("events/{function}/{sample}"));
            json_reader::parse(&text)
                .unwrap_or_else(|error| panic!("{function}/{sample}: {error}"));
        }
    }
}
