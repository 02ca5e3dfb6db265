# The stack that people rely on. Set alarm_email, and monthly_budget_usd with it, from the command line: `-var alarm_email=...`.

api_auth               = "iam"
api_throttle           = { rate = 500, burst = 1000 }
log_retention_days     = 90
name_prefix            = "pinflow-prod"
stage                  = "Prod"
stream_retention_hours = 48
stream_shards          = 2
