"""`manage.py demo_provider`: the simulated music provider, alone. Needs neither database nor network."""

import argparse

from django.core.management.base import BaseCommand, CommandError, CommandParser, DjangoHelpFormatter

from tracker.demo import running, server


class HelpInColumns(argparse.RawDescriptionHelpFormatter, DjangoHelpFormatter):
    """Leaves the line breaks of the help text alone."""


class Command(BaseCommand):
    help = server.__doc__ or ""
    requires_system_checks = []
    requires_migrations_checks = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: object) -> CommandParser:
        return super().create_parser(prog_name, subcommand, formatter_class=HelpInColumns, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8800, help="0 takes a free one (default: 8800)")
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
        parser.add_argument("--speed", type=float, default=1.0, help="makes every life so many times shorter")
        parser.add_argument("--access-log", action="store_true", help="one line per request on standard error")

    def handle(self, *_args: object, port: int, host: str, speed: float, access_log: bool, **_options: object) -> None:
        def announce(url: str) -> None:
            self.stdout.write(f"Demo provider at {url} (base URLs: {url}/qhaigc {url}/relay {url}/huiyan)")
            self.stdout.flush()

        try:
            running.run(port, host, speed=speed, access_log=access_log, announce=announce)
        except OSError as error:
            raise CommandError(f"Cannot listen on {host}:{port}: {error.strerror or error}") from error
