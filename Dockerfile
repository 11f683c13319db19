# The release program in a small image, run by a user without rights.
#
#   docker build -t chargehand .
#   docker run --rm -it -v "$PWD:/repository" chargehand run "Create NOTES.md with the line \"hello\"" --create NOTES.md
#
# Commands of a run are held by bubblewrap, which needs user namespaces. Where the container's own profile forbids
# them, chargehand says so; `chargehand doctor` shows what holds. Git is not needed and not installed.

FROM rust:1.95-bookworm AS build
# Which processor the program is built for: `native` is the one that builds. Give `x86-64-v3` for any of the last decade.
ARG CPU=native
WORKDIR /source
COPY ci/setup ci/setup
RUN ci/setup
COPY . .
RUN RUSTFLAGS="-C target-cpu=$CPU" cargo build --release --locked --package chargehand \
    && strip --strip-unneeded target/release/chargehand target/release/chargehand-inside \
    && install target/release/chargehand target/release/chargehand-inside -D -t /program

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends bubblewrap libstdc++6 zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 1000 chargehand \
    && install --directory --owner chargehand /var/lib/chargehand
COPY --from=build /program/ /usr/local/bin/
USER chargehand
# State that shall outlive the container goes here: mount a volume.
ENV CHARGEHAND_HOME=/var/lib/chargehand
WORKDIR /repository
ENTRYPOINT ["chargehand"]
CMD ["--help"]
