#!/bin/sh
# What the frontend image runs: writes what is known at start only, then becomes nginx.
#
#   API_BASE_URL   where pages find the API: an origin such as https://nica.example, or / for this very site
#   API_UPSTREAM   with /: where this server finds it, such as http://backend:8080; else it serves no /api
#   LISTEN         0.0.0.0:8080
set -eu

die() { printf 'error: failed to start the site: %s\n' "$*" >&2; exit 2; }

listen=${LISTEN:-0.0.0.0:8080}
folder=/tmp/nica

# Whole values only, of characters that mean nothing to nginx and to JSON.
is_origin() {
    printf '%s' "$1" | grep -Eq '^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$' && [ "$(printf '%s' "$1" | wc -l)" = 0 ]
}

healthcheck() {
    port=${listen##*:}
    # Without curl in the image: perl is a part of Debian's base.
    exec perl -MIO::Socket::INET -e '
        my $s = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $ARGV[0], Timeout => 2) or exit 1;
        print $s "GET /healthcheck HTTP/1.0\r\n\r\n"; alarm 2; my $line = <$s> // "";
        exit($line =~ m{^HTTP/1\.1 200 } ? 0 : 1)' "$port"
}

serve() {
    base=${API_BASE_URL:-}
    [ -n "$base" ] || die "API_BASE_URL is not set; set it to an origin such as https://nica.example, or to /"
    if [ "$base" != / ]; then
        base=${base%/}
        is_origin "$base" || die "API_BASE_URL is \`$base\`; set it to an origin such as https://nica.example, or to /"
    fi
    printf '%s' "$listen" | grep -Eq '^[0-9.]+:[0-9]{1,5}$' || die "LISTEN is \`$listen\`; set it to an address and a port"
    upstream=${API_UPSTREAM:-}
    [ -z "$upstream" ] || is_origin "$upstream" ||
        die "API_UPSTREAM is \`$upstream\`; set it to an origin such as http://backend:8080"

    umask 077
    mkdir -p "$folder" 2>/dev/null || die "/tmp cannot be written; mount a tmpfs or an empty folder there"
    printf '{"api_base_url":"%s"}\n' "$base" > "$folder/config.json"
    printf 'listen %s;\n' "$listen" > "$folder/listen.conf"
    talk="'self'"
    [ "$base" = / ] || talk="'self' $base"
    policy="default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'"
    policy="$policy; connect-src $talk; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    {
        printf 'add_header Content-Security-Policy "%s" always;\n' "$policy"
        printf 'add_header X-Content-Type-Options nosniff always;\n'
        printf 'add_header Referrer-Policy no-referrer always;\n'
        printf 'add_header Cross-Origin-Opener-Policy same-origin always;\n'
        printf 'add_header Permissions-Policy "camera=(), geolocation=(), microphone=()" always;\n'
    } > "$folder/headers.conf"
    if [ -n "$upstream" ]; then
        {
            printf 'location /api/ {\n    proxy_pass %s;\n    proxy_http_version 1.1;\n' "$upstream"
            printf '    proxy_set_header Connection "";\n    proxy_connect_timeout 2s;\n    proxy_read_timeout 15s;\n}\n'
        } > "$folder/api.conf"
    else
        printf 'location /api/ { return 404; }\n' > "$folder/api.conf"
    fi
    exec nginx -e /dev/stderr -c /etc/nginx/nginx.conf
}

case ${1:-serve} in
serve) serve ;;
healthcheck) healthcheck ;;
*) die "\`$1\` is no command; there are serve and healthcheck" ;;
esac
