locals {
  name       = var.name_prefix
  account_id = data.aws_caller_identity.current.account_id
  region     = data.aws_region.current.name
  partition  = data.aws_partition.current.partition

  # The parameter is not made here: what Terraform makes, it keeps in its state, and keys are not to be there.
  api_keys_parameter     = "/${local.name}/api-keys"
  api_keys_parameter_arn = "arn:${local.partition}:ssm:${local.region}:${local.account_id}:parameter${local.api_keys_parameter}"

  is_lean = var.monitoring == "lean"

  # The namespace of the functions' own metrics.
  metrics_namespace = "pinflow"

  # What `pinflow post` needs to be let in.
  post_options = {
    api_key = " --api-key-file FILE"
    iam     = " --sigv4 --region ${local.region}"
    jwt     = " --token-file FILE"
  }
}
