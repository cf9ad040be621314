#!/bin/sh
# Migrates the database and makes sure that there is an administrator: what has to happen once per release.
set -e
flask db upgrade
flask admin ensure
# `honcho start` runs this beside the server and ends everything as soon as one process ends, so there it waits.
if [ -n "$HONCHO_PROCESS_NAME" ]; then
  exec tail -f /dev/null
fi
