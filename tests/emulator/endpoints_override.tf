# Turns the unchanged configuration of infra/ to an emulator: Terraform merges a file of this name into the others. Where the emulator is,
# the provider and the backend read from AWS_ENDPOINT_URL, as every SDK does.

provider "aws" {
  # The emulator has one host name, which buckets cannot stand in front of.
  s3_use_path_style = true
}
