# The backend image: `nica-backend` on a small base, for whoever runs it read-only and without privileges.
#
#   docker build --build-arg VERSION=2026.11.1 --build-arg REVISION=$(git rev-parse HEAD) .
#
# `./x image backend` builds the same file without a daemon; see docs/images.md. BASE may be anything with glibc 2.36 or
# later and libgcc, with or without a shell: nothing of it is run here.
ARG RUST_VERSION=1.95.0
ARG BASE=debian:bookworm-slim

FROM rust:${RUST_VERSION}-bookworm AS build
WORKDIR /src
# Dependencies are a layer of their own: it is built anew when a manifest or the lock file changes, not with each source.
COPY Cargo.toml Cargo.lock ./
COPY .cargo .cargo
COPY crates/nica/Cargo.toml crates/nica/Cargo.toml
COPY crates/nica-backend/Cargo.toml crates/nica-backend/Cargo.toml
COPY crates/nica-effects/Cargo.toml crates/nica-effects/Cargo.toml
COPY crates/nica-engine/Cargo.toml crates/nica-engine/Cargo.toml
COPY crates/nica-migrate/Cargo.toml crates/nica-migrate/Cargo.toml
COPY crates/nica-telemetry/Cargo.toml crates/nica-telemetry/Cargo.toml
COPY crates/xtask/Cargo.toml crates/xtask/Cargo.toml
RUN for crate in crates/*; do \
        mkdir -p "$crate/src" && : > "$crate/src/lib.rs" && echo 'fn main() {}' > "$crate/src/main.rs"; \
    done && \
    cargo build --release --locked --package nica-backend
COPY crates crates
COPY migrations migrations
COPY seeds seeds
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
# Cargo goes by time, and what was just copied is older than the empty sources of the layer before.
RUN find crates -name '*.rs' -exec touch {} + && \
    NICA_VERSION="$VERSION" NICA_COMMIT="$REVISION" cargo build --release --locked --package nica-backend && \
    install -D target/release/nica-backend /out/usr/local/bin/nica-backend && \
    install -D -m 644 /etc/ssl/certs/ca-certificates.crt /out/etc/ssl/certs/ca-certificates.crt && \
    install -d /out/usr/share/nica && \
    cargo tree --locked --package nica-backend --edges normal --prefix none --format '{p} {l}' --no-dedupe \
        > /out/usr/share/nica/crates.txt && \
    sed -i 's/ (\/[^)]*)//' /out/usr/share/nica/crates.txt && \
    sort -u -o /out/usr/share/nica/crates.txt /out/usr/share/nica/crates.txt && \
    printf '{"version":"%s","revision":"%s","rustc":"%s"}\n' "$VERSION" "$REVISION" "$(rustc --version)" \
        > /out/usr/share/nica/build.json && \
    install -d /cache

FROM ${BASE}
ARG BASE
ARG VERSION=0.0.0-dev
ARG REVISION=unknown
ARG CREATED
LABEL org.opencontainers.image.title="nica-backend" \
    org.opencontainers.image.description="The clinical-nutrition service NICA" \
    org.opencontainers.image.source="https://github.com/nica-health/nica" \
    org.opencontainers.image.licenses="MIT OR Apache-2.0" \
    org.opencontainers.image.base.name="${BASE}" \
    org.opencontainers.image.version="${VERSION}" \
    org.opencontainers.image.revision="${REVISION}" \
    org.opencontainers.image.created="${CREATED}"
COPY --from=build /out/ /
# What `prefetch-models` fetches. A volume that is made on first use takes this owner over.
COPY --from=build --chown=10001:10001 /cache /var/huggingface
VOLUME /var/huggingface
ENV HF_HOME=/var/huggingface \
    SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
    LISTEN=0.0.0.0:8080 \
    ADMIN_LISTEN=0.0.0.0:9090
USER 10001:10001
EXPOSE 8080 9090
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s --retries=3 \
    CMD ["/usr/local/bin/nica-backend", "healthcheck", "--http"]
ENTRYPOINT ["/usr/local/bin/nica-backend"]
# RUN_DB_MIGRATIONS=1 brings the database up first, HF_MODEL_REPOS fetches models first.
CMD ["start"]
