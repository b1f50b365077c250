# The example as a static binary in an otherwise empty image.
#   docker build -t flow . && docker run --env-file .env -p 3000:3000 flow

FROM golang:1.26 AS build
# Behind a proxy of your own: --build-arg GOPROXY=…
ARG GOPROXY
WORKDIR /src
# Modules first: this layer stays while only code changes.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/flow ./example

FROM scratch
# For Redis behind TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/flow /flow
USER 65532:65532
EXPOSE 3000
ENTRYPOINT ["/flow"]
