use std::sync::Arc;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event_model::{Kind, ShardId};
use lake::{ArrivalHour, ObjectKey, SequenceRange};
use object_store::path::Path;
use serde_json::{Value, json};
use test_server::TestServer;

use super::*;
use crate::storage::clean::CleanObject;
use crate::storage::objects::Noted;
use crate::table::change::{Change, MergeNote, Reason, RowChange};
use crate::table::manifest::PartOf;
use crate::test_lake::memory;

const SHARDS: u32 = 10;
const MINUTES: i64 = 24 * 60;
/// Records of a shard and a minute: 100 million a day.
const RECORDS: u64 = 6_945;

#[test]
fn a_difference_rises_for_good_where_nothing_later_is_less() {
    for (missing, places) in [
        (&[0, 3, 0, -2, 0][..], &[][..]),
        (&[0, 3, 1, 4, 1], &[1]),
        (&[0, 0, 1, 1, 3, 5, 3], &[2, 4]),
        (&[2, 2], &[0]),
        (&[0, 0, 7], &[2]),
    ] {
        assert_eq!(rises(missing), places, "{missing:?}");
    }
}

fn day(date: &str) -> Date {
    date.parse().unwrap()
}

fn noon_of_next(date: Date) -> Timestamp {
    start_of_next(date) + SignedDuration::from_hours(12)
}

/// A stream of 100 million records a day since its first hour, behind the services' own APIs.
struct Services {
    server: TestServer,
    calls: Arc<Mutex<Vec<String>>>,
}

/// Returns the sequence number of the n-th record of a minute of the day.
fn number(minute: i64, n: u64) -> u64 {
    u64::try_from(minute).unwrap() * 1_000_000 + n + 1
}

impl Services {
    /// Starts them. In one minute the stream took `lost` records more of the first shard than the lake has.
    async fn start(created: Timestamp, lost_at: i64, lost: u64) -> Self {
        let calls = Arc::<Mutex<Vec<String>>>::default();
        let log = Arc::clone(&calls);
        let server = TestServer::start(move |request| {
            let target = request
                .headers()
                .get("x-amz-target")
                .unwrap()
                .to_str()
                .unwrap();
            let operation = target.rsplit_once('.').unwrap().1.to_owned();
            let input: Value = serde_json::from_slice(request.body()).unwrap();
            let answer = answer(&operation, &input, created, (lost_at, lost));
            log.lock().unwrap().push(operation);
            (200, answer.to_string())
        });
        Self {
            server: server.await.unwrap(),
            calls,
        }
    }

    fn stream(&self, clock: Clock) -> Stream {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .endpoint_url(self.server.url())
            .build();
        Stream::from_name(&config, "events", clock).unwrap()
    }

    fn count(&self, operation: &str) -> usize {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| *call == operation).count()
    }
}

fn answer(
    operation: &str,
    input: &Value,
    created: Timestamp,
    (lost_at, lost): (i64, u64),
) -> Value {
    let start = created.as_second();
    let shard = |number: u32| ShardId::from_number(number).to_string();
    match operation {
        "DescribeStreamSummary" => json!({"StreamDescriptionSummary": {
            "StreamName": "events", "StreamARN": "arn:aws:kinesis:us-east-1:0:stream/events",
            "StreamStatus": "ACTIVE", "RetentionPeriodHours": 48, "StreamCreationTimestamp": start,
            "EnhancedMonitoring": [], "OpenShardCount": SHARDS}}),
        "ListShards" => {
            let shards = (0..SHARDS).map(|number| {
                json!({"ShardId": shard(number),
                "HashKeyRange": {"StartingHashKey": "0", "EndingHashKey": "1"},
                "SequenceNumberRange": {"StartingSequenceNumber": "0"}})
            });
            json!({"Shards": shards.collect::<Vec<_>>()})
        }
        "GetMetricStatistics" => {
            let seconds = |name: &str| input[name].as_i64().unwrap();
            let (from, until, period) =
                (seconds("StartTime"), seconds("EndTime"), seconds("Period"));
            let mut points = Vec::new();
            for time in (from..until).step_by(usize::try_from(period).unwrap()) {
                let minutes = (time - start) / 60..(time + period - start) / 60;
                let mut sum = RECORDS * u64::from(SHARDS) * u64::try_from(period / 60).unwrap();
                if minutes.contains(&lost_at) {
                    sum += lost;
                }
                points.push(json!({"Timestamp": time, "Sum": sum}));
            }
            json!({"Datapoints": points, "Label": "IncomingRecords"})
        }
        "GetShardIterator" => {
            let time = input["Timestamp"].to_string();
            let time: i64 = time.trim_end_matches(".0").parse().unwrap();
            let minute = (time - start) / 60;
            json!({"ShardIterator": format!("{}/{minute}", input["ShardId"].as_str().unwrap())})
        }
        "GetRecords" => {
            let (name, minute) = input["ShardIterator"]
                .as_str()
                .unwrap()
                .split_once('/')
                .unwrap();
            let minute: i64 = minute.parse().unwrap();
            let is_first = name == shard(0);
            let more = if is_first && minute == lost_at {
                lost
            } else {
                0
            };
            // Records of one byte: it is their number that matters.
            let records: Vec<_> = (0..RECORDS + more)
                .map(|n| json!({"SequenceNumber": number(minute, n).to_string(), "Data": STANDARD.encode("x"),
                    "PartitionKey": "x", "ApproximateArrivalTimestamp": start + minute * 60}))
                .collect();
            json!({"Records": records, "MillisBehindLatest": 1000,
                "NextShardIterator": format!("{name}/{}", minute + 1)})
        }
        other => panic!("{other}"),
    }
}

/// Notes a day of 14,400 objects, one a minute and shard, as merged: of the bytes only those around the loss are there.
async fn fill(lake: &Lake, date: Date, lost_at: i64) {
    let store = lake.store();
    for kind in lake.model().kinds() {
        let table = CuratedTable::open_or_create(lake, kind).await.unwrap();
        let (mut manifest, _) = table.manifest().await.unwrap();
        for (minute, shard) in
            (0..MINUTES).flat_map(|minute| (0..SHARDS).map(move |shard| (minute, shard)))
        {
            if kind != Kind::named("user") {
                continue;
            }
            let micros = start_of(date).as_microsecond() + minute * 60_000_000;
            let range = SequenceRange {
                shard: ShardId::from_number(shard),
                first: number(minute, 0).to_string().parse().unwrap(),
                last: number(minute, RECORDS - 1).to_string().parse().unwrap(),
            };
            let key = ObjectKey::Clean {
                kind,
                hour: ArrivalHour::of(micros),
                range,
                replay: None,
            };
            let path = Path::from(key.to_string());
            if (lost_at - 1..=lost_at + 1).contains(&minute) {
                let rows: Vec<_> = (0..RECORDS)
                    .map(|n| {
                        crate::test_lake::posted(
                            1,
                            20,
                            micros / 1_000_000,
                            &number(minute, n).to_string(),
                        )
                    })
                    .collect();
                let bytes = lake::writer::write_clean(&crate::test_lake::batch(&rows)).unwrap();
                crate::storage::objects::put(store.as_ref(), &path, bytes)
                    .await
                    .unwrap();
            }
            let mut positions = PositionCounts::default();
            positions.add(minute_of(micros), RECORDS);
            let object = CleanObject {
                path,
                version: "1".to_owned(),
                e_tag: None,
                size: 1,
                noted: Noted {
                    digest: None,
                    positions: Some(positions),
                },
                rules: 1,
            };
            manifest.insert(PartOf::Date(date), &object, RECORDS, date);
        }
        let change = Change {
            adds: Vec::new(),
            removes: Vec::new(),
            schema: None,
            manifest,
            rows: RowChange::default(),
        };
        let note = MergeNote {
            run_date: date,
            attempt: 1,
            date,
            counts: std::collections::BTreeMap::new(),
        };
        table
            .commit(change, Reason::Merge(note))
            .await
            .unwrap()
            .unwrap();
    }
}

async fn check(lake: &Lake, services: &Services, date: Date) -> Reconciliation {
    let now = noon_of_next(date).as_second().unsigned_abs();
    let clock = Clock::new(move || UNIX_EPOCH + Duration::from_secs(now));
    let mut tables = Vec::new();
    for kind in lake.model().kinds() {
        tables.push(CuratedTable::open_or_create(lake, kind).await.unwrap());
    }
    let stream = services.stream(clock.clone());
    let checked = reconcile(lake, Some(&stream), &tables, date, Vec::new(), &clock).await;
    checked.unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loss_among_a_hundred_million_records_is_found_and_named_at_the_price_of_a_few_calls() {
    let (lake, date, lost_at) = (memory(), day("2027-02-20"), 13 * 60 + 27);
    fill(&lake, date, lost_at).await;
    let accepted = RECORDS * u64::from(SHARDS) * MINUTES.unsigned_abs();
    assert!(accepted > 100_000_000);

    let services = Services::start(start_of(date), lost_at, 0).await;
    let whole = check(&lake, &services, date).await;
    assert_eq!(
        (
            whole.accepted,
            whole.found,
            whole.unaccounted,
            whole.is_complete
        ),
        (accepted, accepted, 0, true)
    );
    assert_eq!(
        (
            services.count("GetMetricStatistics"),
            services.count("GetRecords")
        ),
        (1, 0)
    );

    let services = Services::start(start_of(date), lost_at, 1).await;
    let lost = check(&lake, &services, date).await;
    assert_eq!(
        (
            lost.accepted,
            lost.found,
            lost.unaccounted,
            lost.is_complete
        ),
        (accepted + 1, accepted, 1, true)
    );
    assert_eq!(
        lost.missing_since,
        Some(start_of(date) + SignedDuration::from_hours(13))
    );
    assert_eq!(services.count("GetMetricStatistics"), 2);
    // Three minutes of each shard.
    let read = services.count("GetRecords");
    assert!(read <= 6 * SHARDS as usize, "{read} calls");

    // A second check does not read the minutes again in which nothing is missing.
    let again = check(&lake, &services, date).await;
    assert_eq!(again.unaccounted, 1);
    let again = services.count("GetRecords") - read;
    assert!(again <= read.div_ceil(3), "{again} calls, {read} before");

    // Until somebody says what became of it.
    explain(&lake, "x", 1, "it was a test".to_owned())
        .await
        .unwrap();
    let explained = check(&lake, &services, date).await;
    assert_eq!((explained.unaccounted, explained.explained), (0, 1));
}

#[tokio::test]
async fn a_check_that_cannot_be_made_is_not_complete() {
    let (lake, date) = (memory(), day("2027-02-20"));
    let server =
        TestServer::start(|_| (500, json!({"__type": "InternalFailure"}).to_string())).await;
    let services = Services {
        server: server.unwrap(),
        calls: Arc::default(),
    };
    let checked = check(&lake, &services, date).await;
    assert_eq!(checked, Reconciliation::default());
    assert!(!checked.is_complete);
}
