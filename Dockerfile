# syntax=docker/dockerfile:1
# One image a service: docker build --build-arg SERVICE=ingest -t cvops-ingest .
ARG PYTHON=3.11-slim-bookworm

FROM python:${PYTHON} AS build
ARG SERVICE
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
# The dependencies are a layer of their own: it changes only when the lock of this service does.
COPY requirements/build.txt requirements/${SERVICE}.txt requirements/
RUN test -n "${SERVICE}" || { echo "set --build-arg SERVICE=ingest, inference, drift, labeling, trainer or alerting" >&2; exit 1; }
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --require-hashes --only-binary :all: -r requirements/build.txt \
 && python -m venv /opt/cvops \
 && /opt/cvops/bin/pip install --require-hashes --only-binary :all: -r requirements/${SERVICE}.txt
COPY pyproject.toml README.md LICENSE ./
COPY protos protos
COPY libs libs
COPY services services
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
 && /opt/cvops/bin/pip install --no-deps --no-index dist/*.whl

FROM python:${PYTHON}
ARG SERVICE
LABEL org.opencontainers.image.title="cvops ${SERVICE}" org.opencontainers.image.licenses="Apache-2.0"
# Folders that volumes are mounted on: a new volume takes over their owner.
RUN useradd --uid 10001 --user-group --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin cvops \
 && install -d -o cvops -g cvops -m 0700 /etc/cvops /var/cache/cvops /var/lib/cvops
COPY --from=build /opt/cvops /opt/cvops
COPY deploy/healthcheck.py /opt/cvops/healthcheck.py
ENV PATH=/opt/cvops/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONFAULTHANDLER=1 \
    OPENBLAS_NUM_THREADS=1 \
    SERVICE=${SERVICE} \
    CVOPS_GRPC_LISTEN=0.0.0.0:7100 \
    CVOPS_HTTP_LISTEN=0.0.0.0:7101 \
    CVOPS_KEYS=/etc/cvops/keys.json \
    CVOPS_INFERENCE_CACHE_DIR=/var/cache/cvops \
    CVOPS_TRAINER_SCRATCH_DIR=/var/cache/cvops
USER 10001:10001
WORKDIR /var/lib/cvops
EXPOSE 7100 7101
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "/opt/cvops/healthcheck.py"]
# exec: the service is process 1 and gets the SIGTERM of `docker stop` itself.
CMD ["/bin/sh", "-c", "exec python -m cvops_${SERVICE}"]
