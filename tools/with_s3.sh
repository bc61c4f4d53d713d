#!/usr/bin/env bash
# Runs a command beside an S3 server that lives as long as the command: tools/with_s3.sh make test
# The server is built once with Go (about a minute) and kept in ~/.cache/cvops/bin, or in CVOPS_CACHE/bin.
set -euo pipefail

VERSION=v1.8.0
BIN="${CVOPS_CACHE:-$HOME/.cache/cvops}/bin"
SERVER="$BIN/versitygw-$VERSION"

if [ $# -eq 0 ]; then
  echo "usage: tools/with_s3.sh COMMAND [ARGUMENT...]" >&2
  exit 2
fi
if [ ! -x "$SERVER" ]; then
  if ! command -v go >/dev/null; then
    echo "an S3 server is built with Go, which is not on PATH: install Go, or set AWS_ENDPOINT_URL and" \
      "CVOPS_TEST_OBJECTS=s3://BUCKET to use a server of your own" >&2
    exit 1
  fi
  echo "building the S3 server versitygw $VERSION, about a minute, once" >&2
  building="$(mktemp -d)"
  trap 'rm -rf "$building"' EXIT
  GOBIN="$building" go install "github.com/versity/versitygw/cmd/versitygw@$VERSION"
  mkdir -p "$BIN"
  mv "$building/versitygw" "$SERVER"
  rm -rf "$building"
fi

folder="$(mktemp -d)"
server=
stop() {
  if [ -n "$server" ]; then
    kill "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -rf "$folder"
}
trap stop EXIT
trap 'exit 130' INT TERM

secret() { od -An -N16 -tx1 /dev/urandom | tr -d ' \n'; }
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
AWS_ACCESS_KEY_ID="$(secret)"
AWS_SECRET_ACCESS_KEY="$(secret)"
export AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY
export AWS_ENDPOINT_URL="http://127.0.0.1:$port" AWS_REGION=us-east-1 AWS_ALLOW_HTTP=true
export CVOPS_TEST_OBJECTS=s3://cvops-test

mkdir "$folder/data"
ROOT_ACCESS_KEY_ID="$AWS_ACCESS_KEY_ID" ROOT_SECRET_ACCESS_KEY="$AWS_SECRET_ACCESS_KEY" \
  "$SERVER" --quiet --keep-alive --port "127.0.0.1:$port" --health /health posix "$folder/data" \
  >"$folder/log" 2>&1 &
server=$!

for _ in $(seq 100); do
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    "$@" && status=0 || status=$?
    exit "$status"
  fi
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
echo "the S3 server did not start within 10 s:" >&2
cat "$folder/log" >&2
exit 1
