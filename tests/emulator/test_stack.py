"""Applies infra/ as it is to an emulator of AWS, runs posts through the packaged functions, and takes everything down again.

The emulator checks signatures and the policies of roles, so each right that a function lacks fails a check. What it does not do
is proven elsewhere: partial batch responses, bisecting, ages, retries and failure destinations of the event source mapping by
the tests of crates/embedded-aws and by `make crash`; placeholders in the schedule's payload are filled here, as AWS does.
The tests run in their order, on one stack.
"""

import csv
import gzip
import json
import re
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import deltalake
import duckdb
import jwt
import pyarrow.parquet
import pytest
import requests
import sqlglot
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.asymmetric import rsa

from emulator.emulator import REGION, emulator, issuer
from emulator.stack import STATE_BUCKET, Stack
from support.stack import BUCKET, KINDS, REPORTS, ROOT, embedded_stack, pinflow_binary, run_pinflow, wait_until

pytestmark = pytest.mark.e2e

# Posts in each wire format, under a seed of its own.
POSTS = 300
WIRES = {"kinesis": 1, "kafka": 2, "events": 3}
# What must be there after the posts: each post is a row of each kind, and one record is dirt.
POSTED = POSTS * len(WIRES) * len(KINDS)

# All that a second plan shows in the emulator and would not show in AWS: attributes by type of resource. A plan that shows something
# else fails, and so does one that lacks any of it: then the emulator has become better, and a line goes.
KNOWN_GAPS = {
    # It forgets most of an alarm when it is asked for it.
    "aws_cloudwatch_metric_alarm": {
        "actions_enabled", "alarm_actions", "alarm_description", "dimensions", "extended_statistic", "ok_actions", "period", "statistic",
        "treat_missing_data",
    },
    # What follows from the stream's: the policies name its ARN, which is not known while it changes.
    "aws_iam_role_policy": {"policy"},
    # It does not keep the tags that a stream is made with.
    "aws_kinesis_stream": {"tags_all"},
    "aws_lambda_event_source_mapping": {"metrics_config"},
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("e2e")


@pytest.fixture(scope="module")
def aws(folder, pytestconfig):
    program = pytestconfig.getoption("ministack")
    if program is None:
        pytest.skip("`--ministack` names no program")
    (folder / "emulator").mkdir()
    with emulator(program.absolute(), folder / "emulator") as aws:
        aws.client("s3").create_bucket(Bucket=STATE_BUCKET)
        yield aws


@pytest.fixture(scope="module")
def empty(aws):
    """What is there before the stack."""
    return inventory(aws)


@pytest.fixture(scope="module")
def stack(aws, empty, folder):
    stack = Stack(aws, folder / "stack")
    stack.init()
    stack.apply()
    return stack


@pytest.fixture(scope="module")
def pipeline(aws, stack):
    return Pipeline(aws, stack.outputs())


@pytest.fixture(scope="module")
def poster(pipeline):
    """A user with the one right that a client needs, as infra/README.md has it."""
    statement = {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": f"{pipeline.outputs['execution_arn']}/*"}
    return user(pipeline, "poster", {"Version": "2012-10-17", "Statement": [statement]})


@pytest.fixture(scope="module")
def posted(pipeline, poster):
    """Posts in each wire format, by the command line, and one record of dirt; what was printed, by wire."""
    printed = {}
    for wire, seed in WIRES.items():
        options = ["--api", pipeline.url, "--wire", wire, "--posts", POSTS, "--seed", seed, "--rows-per-request", 10]
        printed[wire] = run_pinflow(pinflow_binary(), "post", *options, "--sigv4", environment=pipeline.environment_of(poster))
    kinesis = pipeline.aws.client("kinesis")
    kinesis.put_record(StreamName=pipeline.outputs["stream"], Data=b"dirt", PartitionKey="pin/1")
    wait_until(120, lambda: sum(deployed_records(pipeline)) >= POSTED + 1)
    return printed


@pytest.fixture(scope="module")
def day(pipeline, posted, folder):
    """Invokes what the schedule starts, for the day under way and for the one before, as it does; the answers, and a copy of the lake."""
    scheduler = pipeline.aws.client("scheduler")
    [summary] = scheduler.list_schedules(GroupName="pinflow-dev")["Schedules"]
    target = scheduler.get_schedule(GroupName="pinflow-dev", Name=summary["Name"])["Target"]
    assert target["Arn"].endswith("daily-batch")
    morning = datetime.now(UTC).replace(hour=6, minute=0, second=0, microsecond=0)
    starts = [morning + timedelta(days=1), morning]
    inputs = [target["Input"].replace("<aws.scheduler.scheduled-time>", start.strftime("%Y-%m-%dT%H:%M:%SZ")) for start in starts]
    answers = [pipeline.invoke("daily-batch", payload) for payload in inputs]
    lake = folder / "deployed"
    for prefix in ("clean/", "curated/", "reports/"):
        pipeline.download(prefix, lake)
    return answers, lake


def test_everything_is_made(stack):
    assert len(stack.resources()) > 80


def test_the_tables_are_there_before_any_row(report, pipeline, folder):
    """Each is empty, and queries of it find nothing."""
    pipeline.download("curated/", folder / "first")
    for kind in KINDS:
        report.equal(f"curated/{kind}", deltalake.DeltaTable(folder / "first" / "curated" / kind).to_pyarrow_table().num_rows, 0)
    succeeded = [key for key in pipeline.keys("reports/") if key.endswith("/index.html")]
    report.equal("pages", len(succeeded), 1)


def by_type(changes):
    """Returns the changed attributes by type of resource."""
    types = {}
    for address, attributes in changes.items():
        [kind] = re.findall(r"(?:^|\.)(aws_\w+)\.", address)
        types.setdefault(kind, set()).update(attributes)
    return types


class Pipeline:
    """What is deployed, as a client sees it."""

    def __init__(self, aws, outputs):
        self.aws = aws
        self.outputs = outputs
        # The emulator has no host name for each API.
        api_id, stage = re.fullmatch(r"https://(\w+)\.execute-api\.us-east-1\.amazonaws\.com/(\w+)", outputs["invoke_url"]).groups()
        self.url = f"{aws.url}/_aws/execute-api/{api_id}/{stage}"

    def post(self, row, headers=(), credentials=None):
        """Posts a row, signed if there are credentials; returns the status."""
        url, body = f"{self.url}/events/pin", json.dumps([row])
        request = AWSRequest("POST", url, data=body, headers={"Content-Type": "application/json", **dict(headers)})
        if credentials:
            SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
        answer = requests.post(url, data=body, headers=dict(request.headers), verify=str(self.aws.certificate), timeout=60)
        return answer.status_code

    def environment_of(self, poster):
        """Returns the variables of a client that may post, and nothing else."""
        secrets = {"AWS_ACCESS_KEY_ID": poster.access_key, "AWS_SECRET_ACCESS_KEY": poster.secret_key}
        return {**self.aws.environment, **secrets}

    def records(self):
        """Returns how many records the stream has."""
        kinesis, name = self.aws.client("kinesis"), self.outputs["stream"]
        count = 0
        for shard in kinesis.list_shards(StreamName=name)["Shards"]:
            first = {"StreamName": name, "ShardId": shard["ShardId"], "ShardIteratorType": "TRIM_HORIZON"}
            iterator = kinesis.get_shard_iterator(**first)["ShardIterator"]
            while iterator:
                answer = kinesis.get_records(ShardIterator=iterator)
                count += len(answer["Records"])
                iterator = answer.get("NextShardIterator") if answer["Records"] else None
        return count

    def keys(self, prefix):
        pages = self.aws.client("s3").get_paginator("list_objects_v2").paginate(Bucket=self.outputs["bucket"], Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def download(self, prefix, folder):
        """Copies the objects under a prefix to a folder."""
        s3 = self.aws.client("s3")
        for key in self.keys(prefix):
            path = folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            s3.download_file(self.outputs["bucket"], key, str(path))

    def invoke(self, name, payload):
        answer = self.aws.client("lambda").invoke(FunctionName=self.outputs["function_names"][name], Payload=payload)
        body = json.loads(answer["Payload"].read())
        if "FunctionError" in answer:
            raise OSError(f"{name} failed: {body}")
        return body


def check_refused(report, pipeline, label, attempts):
    """Each attempt at a post must get its status, and the stream must not notice."""
    before = pipeline.records()
    for name, (status, arguments) in attempts.items():
        report.equal(f"{label}: {name} gets {status}", pipeline.post({"index": 1}, **arguments), status)
    report.equal(f"{label}: what was refused is not on the stream", pipeline.records(), before)


def check_allowed(report, pipeline, name, *options):
    """A post that the command line sends with what the API asks for must be accepted."""
    post = ["post", "--api", pipeline.url, "--wire", "events", "--posts", 1, *options]
    printed = run_pinflow(pinflow_binary(), *post, environment=pipeline.aws.environment)
    report.check(name, f"{len(KINDS)} rows accepted, 0 failed" in printed, printed[-300:])


def test_requests_must_be_signed(report, pipeline, poster):
    stranger = user(pipeline, "stranger")
    check_refused(report, pipeline, "iam", {
        "an unsigned request": (403, {}),
        "an identity without the right": (403, {"credentials": stranger}),
        "a signature with another secret": (403, {"credentials": Credentials(poster.access_key, stranger.secret_key)}),
    })  # fmt: skip
    answer = requests.get(f"{pipeline.url}/health", verify=str(pipeline.aws.certificate), timeout=60)
    report.equal("iam: the health is open", answer.status_code, 200)


def user(pipeline, name, policy=None):
    """Makes a user, who may do what the policy says, and returns the credentials."""
    iam = pipeline.aws.client("iam")
    iam.create_user(UserName=name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return Credentials(key["AccessKeyId"], key["SecretAccessKey"])


def test_posts_in_each_wire_format_arrive(report, pipeline, posted):
    for wire, printed in posted.items():
        report.check(wire, f"{POSTS * len(KINDS)} rows accepted, 0 failed" in printed, printed[-300:])
    clean, rejected = deployed_records(pipeline)
    report.equal("every record is clean or in quarantine", clean + rejected, POSTED + 1)
    # The generator makes a few rows that cannot be cleaned.
    report.check("nearly all are clean, and the dirt is not", clean > 0.98 * POSTED and rejected > 0, (clean, rejected))


def deployed_records(pipeline):
    with tempfile.TemporaryDirectory() as name:
        for prefix in ("clean/", "quarantine/"):
            pipeline.download(prefix, Path(name))
        return lake_records(Path(name))


def lake_records(lake):
    """Returns how many records are clean, and how many in quarantine."""
    clean = sum(pyarrow.parquet.read_metadata(path).num_rows for path in lake.rglob("clean/**/*.parquet"))
    rejected = sum(len(gzip.decompress(path.read_bytes()).splitlines()) for path in lake.rglob("*.ndjson.gz"))
    return clean, rejected


def test_the_day_is_that_of_the_embedded_stack(report, day, folder):
    ([record], [again]), deployed = day
    report.equal("the run ends well", record["state"], "succeeded")
    report.equal("a run of the day under way is a preview", record.get("partial"), True)
    # The stack's first run has done the day before.
    report.equal("the schedule's second start of a day does nothing", (again["attempt"], again.get("partial")), (1, None))
    embedded = folder / "embedded"
    with embedded_stack(pinflow_binary(), embedded) as url:
        for wire, seed in WIRES.items():
            run_pinflow(pinflow_binary(), "post", "--api", url, "--wire", wire, "--posts", POSTS, "--seed", seed, "--rows-per-request", 10)
        wait_until(60, lambda: sum(lake_records(embedded / BUCKET)) >= POSTED)
        run_pinflow(pinflow_binary(), "daily", "run", "--endpoint", url)
    for kind in KINDS:
        report.equal(
            f"daily: the table {kind} is that of the embedded stack",
            table(deployed, kind),
            table(embedded / BUCKET, kind),
        )
    expected = reports(embedded / BUCKET)
    report.equal("the embedded stack has a report for each query", sorted(expected), [f"{name}.csv" for name in REPORTS])
    report.equal("reports without rows", [name for name, text in expected.items() if len(text.splitlines()) < 2], [])
    report.equal("daily: the reports are those of the embedded stack", reports(deployed), expected)
    summary = json.loads(next((deployed / "reports").rglob("summary.json")).read_text())
    report.equal("daily: nothing is unaccounted for", summary["reconciliation"]["unaccounted"], 0)


def table(lake, kind):
    """Returns a curated table's rows without the lineage columns."""
    rows = deltalake.DeltaTable(lake / "curated" / kind).to_pyarrow_table().to_pylist()
    lineage = ("_shard", "_sequence", "_arrival")
    return sorted(({name: value for name, value in row.items() if name not in lineage} for row in rows), key=lambda row: row["ind"])


def reports(lake):
    return {path.name: path.read_text() for path in sorted((lake / "reports").rglob("*.csv"))}


def test_the_command_line_works_on_the_lake(report, pipeline, day):
    """With credentials from the environment, as on any account."""
    pinflow = lambda *arguments: run_pinflow(pinflow_binary(), *arguments, environment=pipeline.aws.environment)  # noqa: E731
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    pasted = pipeline.outputs["daily_run_command"].split()
    report.equal("command line: the pasted command is pinflow's", pasted[:2], ["cargo", "pinflow"])
    report.check("command line: it runs the day", "succeeded" in pinflow(*pasted[2:]), pasted)
    account = ["--region", REGION, "--bucket", pipeline.outputs["bucket"]]
    runs = pinflow("daily", "runs", *account)
    report.check("command line: the runs", today in runs and ("schedule" in runs or "manual" in runs), runs)
    listed = pinflow("quarantine", "list", *account)
    report.check("command line: the dirt", "not_json" in listed, listed)


def test_the_catalog_describes_the_lake(report, pipeline, day):
    """Holds Glue's tables and Athena's queries against it."""
    _, lake = day
    glue, database = pipeline.aws.client("glue"), pipeline.outputs["database"]
    tables = {item["Name"]: item for item in glue.get_tables(DatabaseName=database)["TableList"]}
    report.equal("catalog: the tables", sorted(tables), sorted(["quarantine", *KINDS, *(f"clean_{kind}" for kind in KINDS)]))
    for kind in KINDS:
        described = [(column["Name"], column["Type"]) for column in tables[f"clean_{kind}"]["StorageDescriptor"]["Columns"]]
        found = sorted((lake / "clean" / kind).rglob("*.parquet"))[0]
        stored = [
            (name, ATHENA[type_])
            for name, type_, *_ in duckdb.sql(f"DESCRIBE SELECT * FROM read_parquet('{found}', hive_partitioning=false)").fetchall()
        ]
        report.equal(f"catalog: the columns of clean_{kind}", described, stored)
        template = tables[f"clean_{kind}"]["Parameters"]["storage.location.template"]
        folders = {f"s3://{pipeline.outputs['bucket']}/{key.rpartition('/')[0]}/" for key in pipeline.keys(f"clean/{kind}/")}
        pattern = re.escape(template).replace(r"\$\{date\}", r"\d{4}-\d\d-\d\d").replace(r"\$\{hour\}", r"\d\d")
        report.check(
            f"catalog: the partitions of clean_{kind}",
            folders and all(re.fullmatch(pattern, name) for name in folders),
            (template, folders),
        )
    db = duckdb.connect()
    for kind in KINDS:
        rows = deltalake.DeltaTable(lake / "curated" / kind).to_pyarrow_table()
        db.execute(f'CREATE TABLE "{kind}" AS SELECT * FROM rows')
    athena = pipeline.aws.client("athena")
    expected = reports(lake)
    ids = athena.list_named_queries(WorkGroup="pinflow-dev")["NamedQueryIds"]
    queries = {query["Name"]: query["QueryString"] for query in athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"]}
    report.equal("catalog: a query a report", sorted(f"{name}.csv" for name in queries), sorted(expected))
    db.execute("SET TimeZone = 'UTC'")
    for name, query in sorted(queries.items()):
        [translated] = sqlglot.transpile(query, read="athena", write="duckdb")
        rows = [[as_text(value) for value in row] for row in db.sql(translated).fetchall()]
        # In a CSV, text that a spreadsheet would evaluate has a `'` in front.
        wanted = [[cell.removeprefix("'") for cell in row] for row in csv.reader(expected[f"{name}.csv"].splitlines())]
        report.equal(f"catalog: the query {name} gives the report", rows, wanted[1:])


# What Athena calls the types of a clean object.
ATHENA = {
    "BIGINT": "bigint", "DOUBLE[]": "array<double>", "INTEGER": "int", "TIMESTAMP WITH TIME ZONE": "timestamp", "VARCHAR": "string",
}  # fmt: skip


def as_text(value):
    return repr(value) if isinstance(value, float) else str(value)


def test_a_right_that_lacks_fails(pipeline, poster):
    """A function that lacks its right must fail, or the emulator would not notice a missing right."""
    iam, role = pipeline.aws.client("iam"), pipeline.outputs["function_names"]["ingest-api"]
    policy = iam.get_role_policy(RoleName=role, PolicyName="work")["PolicyDocument"]
    iam.delete_role_policy(RoleName=role, PolicyName="work")
    status = pipeline.post({"index": 1}, credentials=poster)
    iam.put_role_policy(RoleName=role, PolicyName="work", PolicyDocument=json.dumps(policy))
    assert status == 503


def test_a_second_plan_shows_the_known_gaps_alone(stack):
    assert by_type(stack.changes()) == KNOWN_GAPS


def test_no_lake_loses_the_key_that_reads_it(stack):
    """A plan without the key makes the lake anew, for which AWS wants it empty; the key goes after it."""
    plan = stack.plan(encryption="aws-keys")
    assert plan["aws_kms_key.main[0]"]["actions"] == ["delete"]
    assert plan["aws_s3_bucket.lake"]["actions"] == ["delete", "create"]


def test_code_is_deployed_alone(report, stack, pipeline, poster):
    """Replaces a function's code with cargo-lambda, and looks at what that leaves of the rest."""
    plan, before = stack.changes(), configuration(pipeline)
    command = pipeline.outputs["deploy_commands"]["ingest-api"].split()
    stack.run([*command, "--endpoint-url", pipeline.aws.url], ROOT)
    pipeline.aws.client("lambda").get_waiter("function_updated_v2").wait(FunctionName=pipeline.outputs["function_names"]["ingest-api"])
    report.check("deploy: the code is a new one to AWS", before != configuration(pipeline), before)
    kept = lambda settings: {name: value for name, value in settings.items() if name not in ("LastModified", "RevisionId")}  # noqa: E731
    report.equal("deploy: role, memory, timeout and environment are Terraform's", kept(configuration(pipeline)), kept(before))
    report.equal("deploy: the plan is as it was before", stack.changes(), plan)
    report.equal("deploy: the function answers", pipeline.post({"index": 1}, credentials=poster), 200)


def configuration(pipeline):
    answer = pipeline.aws.client("lambda").get_function_configuration(FunctionName=pipeline.outputs["function_names"]["ingest-api"])
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


def test_keys_are_valid_while_they_are_listed(report, stack, pipeline):
    old, new = "an-old-key-of-some-length", "a-new-key-of-some-length"
    put_keys(pipeline, f"loader:{old}")
    stack.apply(api_auth="api_key")
    check_refused(report, pipeline, "api_key", {
        "no key": (401, {}),
        "a wrong key": (401, {"headers": {"x-api-key": "a-wrong-key-of-some-length"}}),
        "a key of another length": (401, {"headers": {"x-api-key": old[:-1]}}),
    })  # fmt: skip
    check_allowed(report, pipeline, "api_key: a right key", "--api-key", old)
    check_allowed(report, pipeline, "api_key: a compressed post", "--api-key", old, "--gzip")
    for path in ("streams", "streams/streaming-abc-pin", "topics", "topics/abc.pin", "topics/abc.pin/"):
        answer = requests.get(f"{pipeline.url}/{path}", headers={"x-api-key": old}, verify=str(pipeline.aws.certificate), timeout=60)
        report.equal(f"api_key: GET /{path}", answer.status_code, 200)
    report.check("api_key: the log has the key's name", *logged(pipeline, "api_key.name", '"loader"'))
    put_keys(pipeline, f"loader:{old}\nloader:{new}")
    # An unknown key makes the function read the list again, once in half a minute.
    wait_until(90, lambda: pipeline.post({"index": 1}, headers={"x-api-key": new}) == 200)
    report.equal("api_key: a new key is valid without a deployment", pipeline.post({"index": 1}, headers={"x-api-key": new}), 200)
    report.equal("api_key: the old key is valid beside it", pipeline.post({"index": 1}, headers={"x-api-key": old}), 200)
    state = pipeline.aws.client("s3").get_object(Bucket=STATE_BUCKET, Key="dev.tfstate")["Body"].read()
    report.check("api_key: no key is in the state", b"-key-of-some-length" not in state and b"api-keys" in state, "one is")


def logged(pipeline, *texts):
    """Returns whether a line of ingest-api's log has the texts, and the end of the log."""
    group = f"/aws/lambda/{pipeline.outputs['function_names']['ingest-api']}"
    lines = lambda: [event["message"] for event in pipeline.aws.client("logs").filter_log_events(logGroupName=group)["events"]]  # noqa: E731
    is_there = lambda: any(all(text in line for text in texts) for line in lines())  # noqa: E731
    wait_until(20, is_there)
    return is_there(), lines()[-5:]


def put_keys(pipeline, keys):
    """Puts the list of keys where the output `api_keys_command` puts it, under the stack's own key."""
    words = pipeline.outputs["api_keys_command"].split()
    option = lambda name: words[words.index(name) + 1]  # noqa: E731
    pipeline.aws.client("ssm").put_parameter(
        Name=option("--name"), Type=option("--type"), KeyId=option("--key-id"), Value=keys, Overwrite=True
    )


def test_tokens_of_the_issuer_alone_are_valid(report, stack, pipeline):
    with issuer(pipeline.aws.certificate) as login:
        stack.apply(api_auth="jwt", jwt={"issuer": login.url, "audiences": ["pinflow"]})
        foreign = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        bearer = lambda token: {"headers": {"Authorization": f"Bearer {token}"}}  # noqa: E731
        unsigned = jwt.encode({"iss": login.url, "aud": "pinflow", "exp": int(time.time()) + 60}, None, algorithm="none")
        check_refused(report, pipeline, "jwt", {
            "no token": (401, {}),
            "an expired token": (401, bearer(login.token(seconds=-60))),
            "a token with a foreign signature": (401, bearer(login.token(key=foreign))),
            "a token for another audience": (401, bearer(login.token(audience="other"))),
            "a token without a signature": (401, bearer(unsigned)),
        })  # fmt: skip
        check_allowed(report, pipeline, "jwt: a right token", "--token", login.token())


def test_nothing_is_left(report, stack, aws, empty):
    aws.client("ssm").delete_parameter(Name="/pinflow-dev/api-keys")
    stack.destroy()
    report.equal("destroy: nothing is left in the state", stack.resources(), [])
    report.equal("destroy: nothing is left in the account", inventory(aws), empty)


def inventory(aws):
    """Returns the names of all that a stack makes, by service; a key that waits for its deletion is gone."""
    keys = [aws.client("kms").describe_key(KeyId=key["KeyId"])["KeyMetadata"] for key in aws.client("kms").list_keys()["Keys"]]
    return {
        "alarms": [alarm["AlarmName"] for alarm in aws.client("cloudwatch").describe_alarms()["MetricAlarms"]],
        "apis": [api["Name"] for api in aws.client("apigatewayv2").get_apis()["Items"]],
        "buckets": [bucket["Name"] for bucket in aws.client("s3").list_buckets()["Buckets"]],
        "dashboards": [board["DashboardName"] for board in aws.client("cloudwatch").list_dashboards()["DashboardEntries"]],
        "databases": [database["Name"] for database in aws.client("glue").get_databases()["DatabaseList"]],
        "functions": [function["FunctionName"] for function in aws.client("lambda").list_functions()["Functions"]],
        "keys": [key["KeyId"] for key in keys if key["KeyManager"] == "CUSTOMER" and key["KeyState"] != "PendingDeletion"],
        "log groups": [group["logGroupName"] for group in aws.client("logs").describe_log_groups()["logGroups"]],
        "mappings": [mapping["UUID"] for mapping in aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]],
        "parameters": [parameter["Name"] for parameter in aws.client("ssm").describe_parameters()["Parameters"]],
        "queues": aws.client("sqs").list_queues().get("QueueUrls", []),
        "roles": [role["RoleName"] for role in aws.client("iam").list_roles()["Roles"]],
        "schedules": [group["Name"] for group in aws.client("scheduler").list_schedule_groups()["ScheduleGroups"]],
        "streams": aws.client("kinesis").list_streams()["StreamNames"],
        "topics": [topic["TopicArn"] for topic in aws.client("sns").list_topics()["Topics"]],
        "workgroups": [group["Name"] for group in aws.client("athena").list_work_groups()["WorkGroups"]],
    }
