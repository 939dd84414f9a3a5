# The exporter's image: `docker build -t github-enterprise-exporter .`, then docs/deploying.md.
# The digest is the multi-platform index of python:3.13-slim-trixie (Python 3.13.15) of
# September 2026. A newer one:
#   docker buildx imagetools inspect python:3.13-slim-trixie --format '{{.Manifest.Digest}}'
ARG BASE=python:3.13-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

FROM ${BASE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_COMPILE=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
# Wheels only: nothing is compiled, so no compiler is needed. pip stays outside of the environment it fills.
COPY requirements.txt requirements-build.txt ./
RUN python -m venv --without-pip /opt/exporter \
    && python -m pip --python /opt/exporter/bin/python install --no-deps --require-hashes --only-binary=:all: -r requirements.txt \
    && python -m pip install --no-deps --require-hashes --only-binary=:all: -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY exporter exporter
RUN python -m pip wheel --no-deps --no-build-isolation --wheel-dir /wheels . \
    && python -m pip --python /opt/exporter/bin/python install --no-deps --no-index /wheels/*.whl
# Sources and debug symbols of compiled modules are a quarter of it all; bytecode that is never checked needs no
# writable folder. binutils stays in this stage, so its version leaves no trace.
# hadolint ignore=DL3008
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils && rm -rf /var/lib/apt/lists/* \
    && find /opt/exporter -name '*.so' -exec strip --strip-debug {} + \
    && find /opt/exporter -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pyi' \) -delete \
    && /opt/exporter/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/exporter/lib

FROM ${BASE}
# The base has pip, and it has the standard library without bytecode: each start and each health check would compile it
# anew on a read-only root. Running a command once compiles what we use.
RUN python -m pip uninstall --quiet --yes --root-user-action=ignore pip \
    && rm -rf /usr/local/bin/pip* "$(python -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')/ensurepip" \
    && install -d -o 65532 -g 65532 -m 0700 /var/lib/github-enterprise-exporter
COPY --from=build /opt/exporter /opt/exporter
ENV PATH=/opt/exporter/bin:$PATH PYTHONUNBUFFERED=1
RUN github-enterprise-exporter metrics >/dev/null
ENV PYTHONDONTWRITEBYTECODE=1

ARG BASE
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="GitHub Enterprise exporter" \
      org.opencontainers.image.description="Prometheus exporter for GitHub Enterprise: API Insights, server statistics, Copilot and spend, with exact counters" \
      org.opencontainers.image.source="https://github.com/github-enterprise-exporter/github-enterprise-exporter" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"

USER 65532:65532
WORKDIR /
VOLUME /var/lib/github-enterprise-exporter
EXPOSE 10171
HEALTHCHECK --interval=60s --timeout=10s --start-period=30s --retries=3 CMD ["github-enterprise-exporter", "healthcheck"]
ENTRYPOINT ["github-enterprise-exporter"]
