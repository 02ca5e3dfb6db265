provider "aws" {
  region = "us-east-1"

  default_tags {
    tags = {
      Project = "pinflow"
      Stack   = var.name_prefix
    }
  }
}

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}
