output "arn" {
  description = "ARN of the function."
  value       = aws_lambda_function.main.arn
}

output "invoke_arn" {
  description = "ARN by which API Gateway calls the function."
  value       = aws_lambda_function.main.invoke_arn
}

output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.main.function_name
}

output "role_arn" {
  description = "ARN of the function's role."
  value       = aws_iam_role.main.arn
}
