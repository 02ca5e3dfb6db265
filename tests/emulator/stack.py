"""The configuration of infra/, applied to an emulator as it is, but for one file that is put beside it."""

import json
import shutil
import subprocess
from pathlib import Path

from support.stack import ROOT, target_directory

STATE_BUCKET = "pinflow-state"
APPLY_SECONDS = 600


class Stack:
    """A stack in an emulator; its configuration is a copy, its state in a bucket."""

    def __init__(self, emulator, folder):
        self.emulator = emulator
        self.infra = folder / "infra"
        self.target = target_directory()
        self.variables = {"architecture": "x86_64", "package_directory": str(self.target / "lambda")}
        shutil.copytree(ROOT / "infra", self.infra, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"))
        shutil.copy(Path(__file__).parent / "endpoints_override.tf", self.infra)
        # From here the configuration reads the tables and the queries.
        (folder / "model").symlink_to(ROOT / "model")

    def terraform(self, *arguments):
        return self.run(["terraform", *arguments], self.infra)

    def run(self, command, folder):
        """Runs a command in a folder, and returns what it prints."""
        # Terraform looks for its copies of providers in the real home folder, and cargo-lambda for the packages where cargo builds.
        outside = {"HOME": str(Path.home()), "CARGO_TARGET_DIR": str(self.target)}
        environment = {**self.emulator.environment, **outside}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=APPLY_SECONDS)
        if done.returncode != 0:
            raise OSError(f"`{command[0]} {command[1]}` exited with {done.returncode}: {(done.stderr or done.stdout)[-3000:]}")
        return done.stdout

    def init(self):
        settings = {"bucket": STATE_BUCKET, "key": "dev.tfstate", "region": "us-east-1", "use_path_style": "true"}
        self.terraform("init", "-no-color", *[f"-backend-config={name}={value}" for name, value in settings.items()])

    def apply(self, **variables):
        self.terraform("apply", "-no-color", "-auto-approve", *self.options(variables))

    def destroy(self):
        self.terraform("destroy", "-no-color", "-auto-approve", *self.options({}))

    def plan(self, **variables):
        """Returns what a plan would change, by the address of the resource."""
        self.terraform("plan", "-no-color", "-out=plan", *self.options(variables))
        plan = json.loads(self.terraform("show", "-json", "plan"))
        return {
            change["address"]: change["change"]
            for change in plan["resource_changes"]
            if change["mode"] == "managed" and change["change"]["actions"] != ["no-op"]
        }

    def changes(self, **variables):
        """Returns the names of the attributes that a plan would change, by the address of the resource."""
        return {address: changed_attributes(change) for address, change in self.plan(**variables).items()}

    def outputs(self):
        return {name: output["value"] for name, output in json.loads(self.terraform("output", "-json")).items()}

    def resources(self):
        return self.terraform("state", "list").split()

    def options(self, variables):
        chosen = {**self.variables, **variables}
        values = [f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in chosen.items()]
        return ["-var-file=environments/dev.tfvars", *values]


def changed_attributes(change):
    """Returns the names of the attributes that change; `+` and `-` when the whole resource comes or goes."""
    before, after, unknown = change["before"], change["after"], change["after_unknown"]
    if before is None or after is None:
        return {"+" if before is None else "-"}
    changed = {name for name, value in after.items() if before.get(name) != value}
    return changed | {name for name, is_unknown in unknown.items() if is_unknown is True}
