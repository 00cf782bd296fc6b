"""慧言API: "查询音乐" (``GET https://api.huiyan-ai.cn/suno/fetch/{task_id}``)."""

from __future__ import annotations

from tracker.providers.suno_fetch import SunoFetch


class Huiyan(SunoFetch):
    """The Suno API relay format at a fixed address; a clip's times are digits as text."""

    slug = "huiyan"
    label = "huiyan (慧言API)"
    docs_url = "https://api.huiyan-ai.cn"
    base_url = "https://api.huiyan-ai.cn"
