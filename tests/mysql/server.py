"""A MariaDB server of its own: in a temporary folder, on a port of this machine, and gone afterwards."""

import getpass
import os
import shutil
import subprocess
import time
from pathlib import Path

import pymysql

from support.stack import free_port

# What YAML and MySQL could take for something else.
PASSWORD = "0x: 'p\"#s%"

TABLES = """
CREATE TABLE pinterest_data (`index` BIGINT, unique_id TEXT, title TEXT, description TEXT, poster_name TEXT,
    follower_count TEXT, tag_list TEXT, is_image_or_video TEXT, image_src TEXT, downloaded BIGINT, save_location TEXT,
    category TEXT);
CREATE TABLE geolocation_data (ind BIGINT, timestamp DATETIME, latitude DOUBLE, longitude DOUBLE, country TEXT);
CREATE TABLE user_data (ind BIGINT, first_name TEXT, last_name TEXT, age BIGINT, date_joined DATETIME);
"""


def program(name):
    """Returns where a program of MariaDB is; Debian has the server where only root looks."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Server:
    """A MariaDB server with one user, who may only read."""

    def __init__(self, folder):
        self.folder, self.port, self.process = Path(folder), free_port(), None
        self.socket = self.folder / "socket"
        run([program("mariadb-install-db"), "--no-defaults", f"--datadir={self.folder / 'data'}",
             f"--user={getpass.getuser()}", "--auth-root-authentication-method=normal", "--skip-test-db"])  # fmt: skip
        run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=somewhere-else",
             "-keyout", self.folder / "key.pem", "-out", self.folder / "cert.pem"])  # fmt: skip

    def start(self, with_tls):
        tls = [f"--ssl-cert={self.folder / 'cert.pem'}", f"--ssl-key={self.folder / 'key.pem'}"]
        command = [program("mariadbd"), "--no-defaults", f"--datadir={self.folder / 'data'}",
                   f"--user={getpass.getuser()}", "--bind-address=0.0.0.0", f"--port={self.port}",
                   f"--socket={self.socket}", f"--pid-file={self.folder / 'pid'}",
                   *(tls if with_tls else ["--skip-ssl"])]  # fmt: skip
        with (self.folder / "server.log").open("a") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.connect().close()
            except pymysql.Error as error:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    log = (self.folder / "server.log").read_text()[-600:]
                    raise OSError(f"`mariadbd` does not answer ({error}): {log}") from None
                time.sleep(0.2)

    def stop(self, is_killed=False):
        if self.process is not None:
            if is_killed:
                self.process.kill()
            else:
                self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def connect(self, database=None):
        """Logs in as root, over the socket."""
        return pymysql.connect(unix_socket=str(self.socket), user="root", database=database, charset="utf8mb4",
                               autocommit=True)  # fmt: skip

    def execute(self, *statements, database=None):
        with self.connect(database) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return cursor.fetchall()

    def add_user(self, name, requires=""):
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE USER {name}@'%%' IDENTIFIED BY %s {requires}", [PASSWORD])
            cursor.execute(f"GRANT SELECT ON *.* TO {name}@'%'")

    def load(self, database, rows, tables=TABLES):
        """Makes a database of the three tables, and puts rows into it: lists of objects, by table."""
        self.execute(f"CREATE DATABASE {database} CHARACTER SET utf8mb4")
        self.execute(*filter(str.strip, tables.split(";")), database=database)
        with self.connect(database) as connection, connection.cursor() as cursor:
            connection.begin()
            for table, objects in rows.items():
                for row in objects:
                    names = ", ".join(f"`{name}`" for name in row)
                    values = ", ".join(["%s"] * len(row))
                    cursor.execute(f"INSERT INTO {table} ({names}) VALUES ({values})", list(row.values()))
            connection.commit()

    def creds(self, path, user, database, **changed):
        """Writes a file with a login, and returns its path; a value of None leaves a key out."""
        values = {"HOST": "127.0.0.1", "USER": user, "PASSWORD": PASSWORD, "DATABASE": database, "PORT": self.port}
        lines = []
        for key, value in (values | changed).items():
            if value is not None:
                quoted = str(value).replace("'", "''")
                lines.append(f"{key}: '{quoted}'\n" if key == "PASSWORD" else f"{key}: {value}\n")
        Path(path).write_text("".join(lines), encoding="utf-8")
        return Path(path)


def run(command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    if done.returncode != 0:
        raise OSError(f"`{Path(command[0]).name}` exited with {done.returncode}: {(done.stderr or done.stdout)[-600:]}")
