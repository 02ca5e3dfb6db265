//! What lets a sort count the memory of its rows as it is.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array as _, ArrayRef, AsArray as _, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::datatypes::DataType;
use arrow::error::ArrowError;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{
    Transformed, TransformedResult as _, TreeNode as _, TreeNodeRecursion,
};
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, replace_children_if_necessary,
};
use futures::StreamExt as _;

/// Copies the rows that a sort takes, so that their batches share no memory.
///
/// An aggregate gives its groups as parts of one large batch. A sort counts the memory of the whole for each part: then not even one fits
/// into what the sort may have, and it fails where it should go to the disk.
#[derive(Debug)]
pub(super) struct CopyForSort;

impl PhysicalOptimizerRule for CopyForSort {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        plan.transform_up(|plan| {
            let Some(sort) = plan.downcast_ref::<SortExec>() else {
                return Ok(Transformed::no(plan));
            };
            let copies = Arc::new(Copies(Arc::clone(sort.input())));
            replace_children_if_necessary(plan, vec![copies]).map(Transformed::yes)
        })
        .data()
    }

    fn name(&self) -> &'static str {
        "copy_for_sort"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

/// The rows of a plan, each batch a copy.
#[derive(Debug)]
struct Copies(Arc<dyn ExecutionPlan>);

impl DisplayAs for Copies {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for Copies {
    fn name(&self) -> &'static str {
        "Copies"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.0.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn benefits_from_input_partitioning(&self) -> Vec<bool> {
        vec![false]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.0]
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        let input = children.into_iter().next();
        Ok(input.map_or(Arc::clone(&self) as _, |input| Arc::new(Self(input)) as _))
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>, DataFusionError> {
        self.replace_children(
            children,
            ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute),
        )
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion, DataFusionError>,
    ) -> Result<TreeNodeRecursion, DataFusionError> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream, DataFusionError> {
        let batches = self.0.execute(partition, context)?;
        let schema = batches.schema();
        let copies = batches.map(|batch| Ok(copy(&batch?)?));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, copies)))
    }
}

fn copy(batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
    let rows: UInt32Array = (0..).take(batch.num_rows()).collect();
    let columns = batch
        .columns()
        .iter()
        .map(|column| copy_column(column, &rows));
    RecordBatch::try_new(batch.schema(), columns.collect::<Result<_, _>>()?)
}

fn copy_column(column: &ArrayRef, rows: &UInt32Array) -> Result<ArrayRef, ArrowError> {
    // Views refer to texts outside of themselves.
    if *column.data_type() == DataType::Utf8View {
        return Ok(Arc::new(column.as_string_view().gc()));
    }
    take(column, rows, None)
}
