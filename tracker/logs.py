"""What is told about faults: log records as JSON, and error reports that hold no key."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import ItemsView
from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest
from django.utils.datastructures import MultiValueDict
from django.views.debug import SafeExceptionReporterFilter


class JsonFormatter(logging.Formatter):
    """``{"at", "level", "logger", "message"}`` and, after an exception, ``"exception"``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


class QuietReporterFilter(SafeExceptionReporterFilter):
    """Django's error pages and mails without anything that may be a key, also where ``DEBUG`` is on.

    Any local variable may hold one (a form's value, a request's headers), so none is shown.
    """

    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|HTTP_COOKIE|DATABASE_URL|EMAIL_URL", flags=re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_post_parameters(self, request: HttpRequest | None) -> Any:
        if request is None:
            return {}
        return MultiValueDict(
            {
                name: [self.cleansed_substitute] if self.hidden_settings.search(name) else values
                for name, values in request.POST.lists()
            }
        )

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: Any) -> ItemsView[str, Any]:
        return {}.items()
