# The site: static files, an unprivileged nginx, and one script that writes what is known at start only.
#
#   docker build -f infra/docker/frontend.Dockerfile --build-arg VERSION=2026.11.1 .
#
# BASE is Debian or made from its packages: nginx comes from there, so that one source brings all fixes.
ARG BASE=debian:bookworm-slim

FROM ${BASE}
RUN apt-get update -qq && \
    apt-get install -qq -y --no-install-recommends nginx-light && \
    rm -rf /var/lib/apt/lists/* /var/log/* /var/cache/apt /etc/nginx/sites-enabled /var/www
ARG BASE
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
ARG CREATED
LABEL org.opencontainers.image.title="nica-frontend" \
    org.opencontainers.image.description="The site of NICA" \
    org.opencontainers.image.source="https://github.com/nica-health/nica" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
COPY infra/docker/nginx.conf /etc/nginx/nginx.conf
COPY infra/docker/frontend-start.sh /usr/local/bin/nica-frontend
COPY frontend/public /usr/share/nica/site
RUN chmod 755 /usr/local/bin/nica-frontend && \
    printf '{"version":"%s","revision":"%s"}\n' "$VERSION" "$REVISION" > /usr/share/nica/version.json
# Nothing of the root is written: what is written goes to /tmp, which whoever runs this mounts.
USER 10001:10001
EXPOSE 8080
# nginx ends after the answers in flight.
STOPSIGNAL SIGQUIT
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["/usr/local/bin/nica-frontend", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/nica-frontend"]
CMD ["serve"]
