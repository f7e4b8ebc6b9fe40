"""The `yunsong` command."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys

from yunsong_standalone.home import Home
from yunsong_standalone.topology import LOOPBACK, Topology


def main() -> None:
    """Exit codes: 0 done, 1 it did not work (the reason is printed), 2 the command line is wrong."""
    options = _parser().parse_args()
    code = options.command(options)
    if options.command in (_backup, _restore):
        # The object store's own threads can abort an interpreter that takes itself apart; all is written by now.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def _run(options: argparse.Namespace) -> int:
    from yunsong_standalone.run import Options, run  # noqa: PLC0415 - each command loads only what it needs

    chosen = Options(
        topology=options.topology,
        host=options.host,
        port=options.port,
        demo_data=not options.no_demo_data,
        raw_logs=options.raw_logs,
    )
    return run(chosen, Home.of_environment(), dict(os.environ))


def _migrate(options: argparse.Namespace) -> int:
    from yunsong_standalone.migrate import migrate  # noqa: PLC0415

    versions = asyncio.run(migrate(options.wait, roles_only=options.roles_only))
    if not options.quiet:
        for name, version in versions.items():
            print(f"{name:<16} schema {version}")
    return 0


def _secrets(_options: argparse.Namespace) -> int:
    from yunsong_standalone.cluster_secrets import secrets_command  # noqa: PLC0415

    return secrets_command()


def _admin(options: argparse.Namespace) -> int:
    from yunsong_standalone.admin import create_administrator, reset_password  # noqa: PLC0415

    if options.action == "create":
        return asyncio.run(create_administrator(Home.of_environment(), options.username, options.name))
    return asyncio.run(reset_password(Home.of_environment(), options.username))


def _demo(options: argparse.Namespace) -> int:
    from yunsong_standalone.demo import demo  # noqa: PLC0415

    return asyncio.run(demo(Home.of_environment(), options.url))


def _backup(options: argparse.Namespace) -> int:
    from yunsong_standalone.backup import BackupOptions, backup_command  # noqa: PLC0415

    chosen = BackupOptions(to=options.to, keep=options.keep, plain=options.plain)
    return backup_command(chosen, Home.of_environment(), os.environ)


def _restore(options: argparse.Namespace) -> int:
    from yunsong_standalone.backup import RestoreOptions, restore_command  # noqa: PLC0415

    chosen = RestoreOptions(
        source=options.source,
        backup=options.backup,
        replace=options.replace,
        check=options.check,
        list=options.list,
        show_keys=options.show_keys,
        other_keys=options.other_keys,
    )
    return restore_command(chosen, Home.of_environment(), os.environ)


def _doctor(options: argparse.Namespace) -> int:
    from yunsong_standalone.doctor import doctor, report  # noqa: PLC0415

    if options.url:
        from yunsong_standalone.door_check import look_at  # noqa: PLC0415

        return report(look_at(options.url))
    return doctor(Home.of_environment(), dict(os.environ))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yunsong", description="A customer-service system of one's own.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="start the product on this machine, until Ctrl-C")
    run.add_argument("--topology", type=Topology, choices=list(Topology), default=Topology.COMPACT)
    run.add_argument("--host", default=LOOPBACK, help=f"where the public door listens ({LOOPBACK})")
    run.add_argument("--port", type=int, default=8080, help="its port (8080)")
    run.add_argument("--no-demo-data", action="store_true", help="leave the first start empty")
    run.add_argument("--raw-logs", action="store_true", help="print logs as the JSON they are")
    run.set_defaults(command=_run)

    migrate = commands.add_parser("migrate", help="bring database and NATS to what this release needs")
    migrate.add_argument("--quiet", action="store_true", help="print nothing when it succeeds")
    migrate.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS", help="wait so long for servers that do not answer"
    )
    migrate.add_argument(
        "--roles-only", action="store_true", help="only make database and roles (YUNSONG_DATABASE_ADMIN_URL)"
    )
    migrate.set_defaults(command=_migrate)

    secrets = commands.add_parser("secrets", help="make a copy's secrets in its Kubernetes namespace, once")
    secrets.set_defaults(command=_secrets)

    admin = commands.add_parser(
        "admin", help="make an administrator, or a new password, while the product runs"
    )
    admin.add_argument("action", choices=["create", "reset-password"])
    admin.add_argument("username")
    admin.add_argument("--name", default="", help="the name that is shown; the username when empty")
    admin.set_defaults(command=_admin)

    demo = commands.add_parser("demo", help="play the main job against a running product")
    demo.add_argument("--url", default=os.environ.get("YUNSONG_URL", ""), help="where it runs (YUNSONG_URL)")
    demo.set_defaults(command=_demo)

    _add_backups(commands)

    doctor = commands.add_parser("doctor", help="check this machine and the running product, say what to do")
    doctor.add_argument("--url", default="", help="look at the product that runs there instead, from outside")
    doctor.set_defaults(command=_doctor)
    return parser


def _add_backups(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    backup = commands.add_parser("backup", help="copy database, files and keys, while the product runs")
    place = "file:///absolute/path or s3://bucket/prefix"
    backup.add_argument("--to", required=True, metavar="URL", help=place)
    backup.add_argument(
        "--keep", type=int, default=0, metavar="N", help="remove all but the newest N (0: none)"
    )
    backup.add_argument(
        "--plain",
        action="store_true",
        help="do not encrypt, and leave the keys out; else YUNSONG_BACKUP_KEY is needed",
    )
    backup.set_defaults(command=_backup)

    restore = commands.add_parser(
        "restore", help="make a copy out of a backup, while the product does not run"
    )
    restore.add_argument("--from", dest="source", required=True, metavar="URL", help=place)
    restore.add_argument("--backup", default="", metavar="ID", help="which one; the newest when not given")
    restore.add_argument("--replace", action="store_true", help="delete what the database holds now")
    restore.add_argument(
        "--check", action="store_true", help="only read the backup and say whether it is whole"
    )
    restore.add_argument("--list", action="store_true", help="only print which backups there are")
    restore.add_argument(
        "--show-keys", action="store_true", help="only print the keys that are in the backup"
    )
    restore.add_argument("--other-keys", action="store_true", help="go on though this copy's keys are others")
    restore.set_defaults(command=_restore)


if __name__ == "__main__":
    main()
