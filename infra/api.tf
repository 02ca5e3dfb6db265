# The HTTP API: every route leads to ingest-api, which recognises a wrong path itself. Who may post is decided here for signed
# requests and tokens, and by the function for keys. `/health` and `/openapi.yaml` are open to all: they hold nothing of anybody's.

locals {
  authorization_type = { iam = "AWS_IAM", jwt = "JWT" }

  # As in functions/ingest-api/openapi.yaml; a test compares the two. `$default` answers any other path with the nearest right form.
  open_routes = ["GET /health", "GET /openapi.yaml", "HEAD /health", "HEAD /openapi.yaml"]
  routes = [
    "$default",
    "GET /streams",
    "GET /streams/{stream}",
    "GET /topics",
    "GET /topics/{topic}",
    "POST /events/{kind}",
    "POST /topics/{topic}",
    "PUT /streams/{stream}/record",
    "PUT /streams/{stream}/records",
  ]
}

resource "aws_apigatewayv2_api" "main" {
  name          = local.name
  description   = "Takes posts, and puts them on ${aws_kinesis_stream.events.name}"
  protocol_type = "HTTP"

  # Beside a domain of its own, nobody's rules for that domain would hold at the default one.
  disable_execute_api_endpoint = var.domain != null
}

resource "aws_apigatewayv2_integration" "ingest_api" {
  api_id                 = aws_apigatewayv2_api.main.id
  integration_type       = "AWS_PROXY"
  integration_uri        = module.ingest_api.invoke_arn
  payload_format_version = "2.0"
  # The function answers within 25 s; API Gateway waits no longer than 30.
  timeout_milliseconds = 29000
}

resource "aws_apigatewayv2_route" "main" {
  # checkov:skip=CKV_AWS_309:The type follows var.api_auth; a test holds that it is `NONE` only where keys are asked for, or where the owner opened the API.
  for_each = toset(local.routes)

  api_id             = aws_apigatewayv2_api.main.id
  authorization_type = lookup(local.authorization_type, var.api_auth, "NONE")
  authorizer_id      = one(aws_apigatewayv2_authorizer.jwt[*].id)
  # A token that was made for something else of the same audience does not post.
  authorization_scopes = var.api_auth == "jwt" ? var.jwt.scopes : null
  route_key            = each.value
  target               = "integrations/${aws_apigatewayv2_integration.ingest_api.id}"
}

resource "aws_apigatewayv2_route" "open" {
  # checkov:skip=CKV_AWS_309:Health and description are open to all.
  for_each = toset(local.open_routes)

  api_id    = aws_apigatewayv2_api.main.id
  route_key = each.value
  target    = "integrations/${aws_apigatewayv2_integration.ingest_api.id}"
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = var.api_auth == "jwt" ? 1 : 0

  api_id           = aws_apigatewayv2_api.main.id
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]
  name             = "jwt"

  jwt_configuration {
    audience = var.jwt.audiences
    issuer   = var.jwt.issuer
  }
}

resource "aws_apigatewayv2_stage" "main" {
  api_id      = aws_apigatewayv2_api.main.id
  auto_deploy = true
  name        = var.stage

  dynamic "access_log_settings" {
    for_each = var.request_logs ? [aws_cloudwatch_log_group.api.arn] : []

    content {
      destination_arn = access_log_settings.value
      format = jsonencode({
        error        = "$context.integrationErrorMessage"
        identity     = "$context.identity.userArn"
        ip           = "$context.identity.sourceIp"
        latency_ms   = "$context.responseLatency"
        method       = "$context.httpMethod"
        path         = "$context.path"
        request_id   = "$context.requestId"
        route        = "$context.routeKey"
        size_bytes   = "$context.responseLength"
        status       = "$context.status"
        subject      = "$context.authorizer.claims.sub"
        time         = "$context.requestTime"
        user_agent   = "$context.identity.userAgent"
        unauthorized = "$context.authorizer.error"
      })
    }
  }

  default_route_settings {
    detailed_metrics_enabled = !local.is_lean
    throttling_burst_limit   = var.api_throttle.burst
    throttling_rate_limit    = var.api_throttle.rate
  }

  # What anybody may ask takes nothing from those who post.
  dynamic "route_settings" {
    for_each = aws_apigatewayv2_route.open

    content {
      route_key                = route_settings.value.route_key
      detailed_metrics_enabled = !local.is_lean
      throttling_burst_limit   = 20
      throttling_rate_limit    = 10
    }
  }
}

# Under this prefix API Gateway needs no line more in the account's policy for log delivery, which has room for few.
resource "aws_cloudwatch_log_group" "api" {
  # checkov:skip=CKV_AWS_338:How long logs are kept is var.log_retention_days.
  name              = "/aws/vendedlogs/apigateway/${local.name}"
  kms_key_id        = local.key_arn
  retention_in_days = var.log_retention_days
}

resource "aws_lambda_permission" "api" {
  statement_id  = "HttpApi"
  action        = "lambda:InvokeFunction"
  function_name = module.ingest_api.name
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.main.execution_arn}/*"
}

resource "aws_apigatewayv2_domain_name" "main" {
  count = var.domain == null ? 0 : 1

  domain_name = var.domain.name

  domain_name_configuration {
    certificate_arn = var.domain.certificate_arn
    endpoint_type   = "REGIONAL"
    security_policy = "TLS_1_2"
  }
}

# The stage stays the first part of the path, so that clients change their base URL's host alone.
resource "aws_apigatewayv2_api_mapping" "main" {
  count = var.domain == null ? 0 : 1

  api_id          = aws_apigatewayv2_api.main.id
  api_mapping_key = var.stage == "$default" ? null : var.stage
  domain_name     = aws_apigatewayv2_domain_name.main[0].id
  stage           = aws_apigatewayv2_stage.main.id
}
