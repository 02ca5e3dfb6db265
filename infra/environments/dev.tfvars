# A stack to try things on: it costs little when idle, and can be destroyed with all that is in it.

api_auth           = "iam"
force_destroy      = true
log_retention_days = 7
name_prefix        = "pinflow-dev"
