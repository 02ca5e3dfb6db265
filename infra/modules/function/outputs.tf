output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.main.arn
}

output "environment" {
  description = "Variables that the function gets."
  value       = aws_lambda_function.main.environment[0].variables
}

output "invoke_arn" {
  description = "ARN by which API Gateway calls the function."
  value       = aws_lambda_function.main.invoke_arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.main.function_name
}

output "reserved_concurrency" {
  description = "Executions that no other function can take; -1 for none."
  value       = aws_lambda_function.main.reserved_concurrent_executions
}

output "log_level" {
  description = "Least severe lines that are kept of its logs."
  value       = aws_lambda_function.main.logging_config[0].application_log_level
}
