//! The sessions of the query engine, and what bounds the memory of a query.

use std::sync::Arc;

use datafusion::error::DataFusionError;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::memory_pool::FairSpillPool;
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};

use super::copy::CopyForSort;
use crate::work::workers;

/// Memory of a query: groups and sorts that need more go to the disk.
const QUERY_BYTES: usize = 512 << 20;
/// Workers of a query. They share its memory, so that what fits must not depend on the machine: so many has a function of Lambda.
const QUERY_WORKERS: usize = 2;

/// Returns a session whose memory has no limit.
pub(super) fn unbounded() -> SessionContext {
    SessionContext::new_with_config(config(workers()))
}

/// Returns a session whose queries go to the disk with what does not fit into [`QUERY_BYTES`].
pub(super) fn bounded() -> Result<SessionContext, DataFusionError> {
    bounded_by(QUERY_BYTES, QUERY_WORKERS)
}

fn bounded_by(bytes: usize, workers: usize) -> Result<SessionContext, DataFusionError> {
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(FairSpillPool::new(bytes)))
        .build_arc()?;
    let state = SessionStateBuilder::new()
        .with_config(config(workers))
        .with_runtime_env(runtime)
        .with_default_features()
        .with_physical_optimizer_rule(Arc::new(CopyForSort))
        .build();
    Ok(SessionContext::new_with_state(state))
}

fn config(workers: usize) -> SessionConfig {
    let mut config = SessionConfig::new()
        .with_target_partitions(workers)
        .with_information_schema(false);
    // An error of a query is reported with its line and column.
    config.options_mut().sql_parser.collect_spans = true;
    config
}

#[cfg(test)]
mod tests {
    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;

    /// Each category is in one country, and each country has two, which tie.
    const QUERY: &str = "
        WITH counted AS (
            SELECT concat('a country of the name ', arrow_cast(number / 2, 'Utf8View')) AS country,
                concat('a category of the name ', arrow_cast(number, 'Utf8View')) AS category,
                count(*) AS category_count
            FROM posts GROUP BY ALL
        ), ranked AS (
            SELECT *, rank() OVER (PARTITION BY country ORDER BY category_count DESC) AS place FROM counted
        )
        SELECT country, category FROM ranked WHERE place = 1 ORDER BY country, category";

    #[tokio::test]
    async fn a_sort_of_groups_that_just_fit_into_memory_goes_to_the_disk() {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let posts = RecordBatch::try_from_iter([("number", numbers)]).unwrap();
        // Memory of a query; the groups take some 15 MB, and each sort 10 MB for what it reads back.
        for (bytes, workers) in [(64 << 20, 1), (64 << 20, 2)] {
            let context = bounded_by(bytes, workers).unwrap();
            context.register_batch("posts", posts.clone()).unwrap();
            let made = context.sql(QUERY).await.unwrap().collect().await.unwrap();
            let rows: usize = made.iter().map(RecordBatch::num_rows).sum();
            assert_eq!(rows, posts.num_rows(), "{bytes} bytes, {workers} workers");
        }
    }
}
