"""Every address of the portal."""

from __future__ import annotations

from django.urls import path

from tracker.views import board, clips, credentials, entry, health, preferences, tasks

urlpatterns = [
    path("", board.board, name="board"),
    path("refresh/", board.board_refresh, name="board_refresh"),
    path("track/", board.track_tasks, name="track_tasks"),
    path("track/preview/", board.track_preview, name="track_preview"),
    path("tasks/<uuid:public_id>/", tasks.task, name="task"),
    path("tasks/<uuid:public_id>/check/", tasks.task_check, name="task_check"),
    path("tasks/<uuid:public_id>/stop/", tasks.task_stop, name="task_stop"),
    path("tasks/<uuid:public_id>/remove/", tasks.task_remove, name="task_remove"),
    path("tasks/<uuid:public_id>/restore/", tasks.task_restore, name="task_restore"),
    path("clips/<uuid:public_id>/sound/", clips.clip_sound, name="clip_sound"),
    path("clips/<uuid:public_id>/cover/", clips.clip_cover, name="clip_cover"),
    path("clips/<uuid:public_id>/card/", clips.clip_card, name="clip_card"),
    path("credentials/", credentials.credentials, name="credentials"),
    path("credentials/add/", credentials.credential_add, name="credential_add"),
    path("credentials/test/", credentials.credential_test, name="credential_test"),
    path("credentials/<uuid:public_id>/", credentials.credential, name="credential"),
    path("credentials/<uuid:public_id>/wake/", credentials.credential_wake, name="credential_wake"),
    path("credentials/<uuid:public_id>/disable/", credentials.credential_disable, name="credential_disable"),
    path("credentials/<uuid:public_id>/enable/", credentials.credential_enable, name="credential_enable"),
    path("credentials/<uuid:public_id>/delete/", credentials.credential_delete, name="credential_delete"),
    path("preferences/", preferences.preferences, name="preferences"),
    path("setup/<str:token>/", entry.setup, name="setup"),
    path("enter/<str:token>/", entry.enter, name="enter"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
]
