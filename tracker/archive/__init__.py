"""The archive: what was delivered stays, although providers' links die.

``storing`` knows where files lie, ``downloading`` fetches one, ``archivist`` works off what is due, ``serving`` gives
kept files to a browser, ``upkeep`` is what the commands do.
"""
