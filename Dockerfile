# The image of socketpass: one static program, the certificates it trusts, and a list of what it is made of.
#
#   docker build --tag socketpass .
#
# BUILDER is the stage, or an image, that has these files in /out: where they were made elsewhere, nothing is compiled here.
ARG RUST=docker.io/library/rust:1.95.0-bookworm
ARG BUILDER=build

FROM ${RUST} AS build
WORKDIR /src
COPY . .
# Paths and dates of the machine stay out, so that the same sources and lock file make the same files.
ENV RUSTFLAGS="--remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo" SOURCE_DATE_EPOCH=0
RUN scripts/image-files /out

FROM ${BUILDER} AS files

FROM scratch
LABEL org.opencontainers.image.title="socketpass" \
      org.opencontainers.image.description="The passport for sockets: tells any socket server who stands behind a handshake" \
      org.opencontainers.image.licenses="MIT"
COPY --from=files /out/ /
USER 65532:65532
EXPOSE 50051 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=4s --start-period=30s \
  CMD ["/usr/bin/socketpass", "healthcheck", "--config=/etc/socketpass/socketpass.toml"]
ENTRYPOINT ["/usr/bin/socketpass"]
CMD ["serve", "--config=/etc/socketpass/socketpass.toml"]
