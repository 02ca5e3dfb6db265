output "api_keys_command" {
  description = "Creates the first key of the API (api_auth = \"api_key\"), and refuses to where there are keys: add_api_key_command adds one. `NAME=loader;` before it names the key, for the log."
  value       = "printf '%s:%s\\n' \"$${NAME:-first}\" \"$(openssl rand -hex 24)\" | aws ssm put-parameter --region ${local.region} --name ${local.api_keys_parameter} --type SecureString${local.key_option} --value file:///dev/stdin"
}

output "add_api_key_command" {
  description = "Adds a key of the API to those that there are, one a line, so that clients can change over. `NAME=loader;` before it names the key, for the log."
  value       = "(aws ssm get-parameter --region ${local.region} --name ${local.api_keys_parameter} --with-decryption --query Parameter.Value --output text && printf '%s:%s\\n' \"$${NAME:-added-$(date +%F)}\" \"$(openssl rand -hex 24)\") | aws ssm put-parameter --region ${local.region} --name ${local.api_keys_parameter} --type SecureString${local.key_option} --value file:///dev/stdin --overwrite"
}

output "athena_command" {
  description = "Counts the clean posts in Athena."
  value       = "aws athena start-query-execution --region ${local.region} --work-group ${aws_athena_workgroup.main.name} --query-execution-context Database=${aws_glue_catalog_database.lake.name} --query-string 'SELECT count(*) FROM clean_pin'"
}

output "failed_batches_bucket" {
  description = "Name of the bucket of the batches that were given up, for `pinflow quarantine replay --failed --failed-bucket`."
  value       = aws_s3_bucket.failed_batches.id
}

output "bucket" {
  description = "Name of the lake's bucket."
  value       = aws_s3_bucket.lake.id
}

output "daily_run_command" {
  description = "Runs the daily batch for today."
  value       = "cargo pinflow daily run --region ${local.region} --bucket ${aws_s3_bucket.lake.id} --stream ${aws_kinesis_stream.events.name}"
}

output "database" {
  description = "Name of the database in the Glue catalog."
  value       = aws_glue_catalog_database.lake.name
}

output "deploy_commands" {
  description = "Replace a function's code alone, after `make package`; run them where the README is."
  value = { for name, function in local.function_names :
    name => "cargo lambda deploy --region ${local.region} --binary-name ${name} ${function}"
  }
}

output "domain_target" {
  description = "What the DNS record of var.domain points at."
  value       = one(aws_apigatewayv2_domain_name.main[*].domain_name_configuration[0].target_domain_name)
}

output "execution_arn" {
  description = "What a client's policy allows `execute-api:Invoke` on, with `/*` behind it (api_auth = \"iam\")."
  value       = aws_apigatewayv2_stage.main.execution_arn
}

output "function_names" {
  description = "Names of the functions in AWS, by the names of their packages."
  value       = local.function_names
}

output "invoke_url" {
  description = "Base URL of the API: what clients put in front of /topics, /streams and /events."
  value       = trimsuffix(aws_apigatewayv2_stage.main.invoke_url, "/")
}

output "post_command" {
  description = "Sends 100 generated posts."
  value       = "cargo pinflow post --api ${trimsuffix(aws_apigatewayv2_stage.main.invoke_url, "/")} --posts 100${lookup(local.post_options, var.api_auth, "")}"
}

output "stream" {
  description = "Name of the Kinesis stream."
  value       = aws_kinesis_stream.events.name
}
