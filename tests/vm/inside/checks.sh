# The checks. Each is a function check_NAME, run by main in this order in a process of its own with set -euo pipefail. They build
# upon each other: the first installs, the last purges.

SERVICE=http://127.0.0.1:4500
ROOT=http://127.0.0.1:4600

no() { echo "$*"; exit 1; }

# until_true SECONDS COMMAND...: waits until it holds.
until_true() {
    local end=$(($(cut -d. -f1 /proc/uptime) + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$(cut -d. -f1 /proc/uptime)" -lt "$end" ] || { "$@" || :; no "never came true: $*"; }
        sleep 0.3
    done
}

up() { psmonitor status "$SERVICE"; }
pid() { systemctl show --value --property MainPID psmonitor; }
get() { curl --silent --show-error --fail --max-time 20 "$@"; }

# A line of the configuration file. At the end it would belong to the last table.
setting() { sed -i "1i $1" /etc/psmonitor/psmonitor.toml; }

# The service again with the settings of the package, from whatever state a check has left.
fresh() {
    cp /vm/psmonitor.toml /etc/psmonitor/psmonitor.toml
    rm -rf /etc/psmonitor/tokens /etc/systemd/system/psmonitor.service.d
    systemctl daemon-reload
    systemctl reset-failed psmonitor 2>/dev/null || :
    systemctl restart psmonitor
    until_true 60 up
}

# A second server as root, as a plain process would be, for comparisons.
root_server() {
    if ! psmonitor status "$ROOT" >/dev/null 2>&1; then
        systemd-run --quiet --collect --unit psmonitor-root psmonitor --config /dev/null --listen 127.0.0.1:4600
        until_true 60 psmonitor status "$ROOT"
    fi
}

# What is answered by a server of psmonitor, without its own numbers: a line a series, its value last.
metrics() { get "$1/metrics" | grep -v -E '^(#|psmonitor_|process_|node_scrape_collector_duration)' | sort; }

# Where the service says something else than root's process: a series that only one of them has; another value where root's
# was the same before and after; a counter that is not between root's two. Root is asked more than an interval before and
# after, so that its samples are. What comes and goes meanwhile is on neither side of both.
differences() {
    metrics "$ROOT" >/tmp/before
    sleep 1.5
    metrics "$SERVICE" >/tmp/service
    sleep 1.5
    metrics "$ROOT" >/tmp/after
    awk '
        { value = $NF; key = $0; sub(/ [^ ]*$/, "", key) }
        FILENAME == "/tmp/before" { before[key] = value; next }
        FILENAME == "/tmp/after" { after[key] = value; next }
        { service[key] = value }
        function is_other(is, low, high) {
            if (low == high) return is != low
            return key ~ /_total([{]|$)/ && (is + 0 < low + 0 || is + 0 > high + 0)
        }
        END {
            for (key in service) if (!(key in before) && !(key in after)) print "only the service has " key
            for (key in before) if (key in after) {
                if (!(key in service)) print "the service has no " key
                else if (is_other(service[key], before[key], after[key]))
                    print key " is " before[key] " to " after[key] ", the service says " service[key]
            }
        }' /tmp/before /tmp/after /tmp/service | sort
}

# Nothing differs every time.
same_numbers() {
    differences >/tmp/wrong
    for _ in 1 2 3 4; do
        [ -s /tmp/wrong ] || return 0
        # A value moves on between two tries; what is wrong is the series.
        differences >/tmp/now
        awk 'function name(line) { sub(/ is [^ ]* to [^ ]*, the service says .*/, "", line); return line }
             NR == FNR { now[name($0)]; next } name($0) in now' /tmp/now /tmp/wrong >/tmp/still || :
        mv /tmp/still /tmp/wrong
    done
    [ ! -s /tmp/wrong ] || { echo "$(wc -l </tmp/wrong) series differ:"; cat /tmp/wrong; exit 1; }
}

check_install() {
    apt-get install --yes /vm/before.deb
    id psmonitor
    systemctl is-enabled psmonitor
    systemctl is-active psmonitor
    until_true 60 up
    [ "$(ps -o user= -p "$(pid)")" = psmonitor ] || no "it runs as $(ps -o user= -p "$(pid)")"
    [ "$(ss -Hltn 'sport = :4500' | awk '{ print $4 }' | sort | paste -sd' ')" = "127.0.0.1:4500 [::1]:4500" ] || { ss -ltn; no "it listens elsewhere"; }
    test -e /usr/share/bash-completion/completions/psmonitor
}

check_upgrade() {
    setting 'interval = "2s"'
    local before
    before=$(pid)
    dpkg --install --force-confold /vm/now.deb
    until_true 60 up
    [ "$(pid)" != "$before" ] || no "the old program still runs"
    psmonitor check-config | grep '^interval = "2s" .*psmonitor.toml:1'
    fresh
    # The same again, as the README updates: nothing changes.
    apt-get install --yes --reinstall /vm/now.deb
    until_true 60 up
}

check_readiness() {
    [ "$(systemctl show --value --property Type psmonitor)" = notify ] || no "the unit does not wait until it is ready"
    for _ in 1 2 3; do
        systemctl restart psmonitor
        up || no "systemctl start came back before it was ready"
    done
    systemctl show --value --property StatusText psmonitor | grep . || no "it has no status line"
}

# What SERVER answers at ROUTE: the first message of a stream, and JSON where both are to be had.
answered() {
    case $2 in
        /connect | /ws)
            local id
            id=$(get --data '' "$1/" | jq -r .id)
            curl --silent --no-buffer --http1.1 --max-time 5 --header 'connection: upgrade' --header 'upgrade: websocket' \
                --header 'sec-websocket-version: 13' --header 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==' "$1$2?id=$id" |
                tr -d '\000' | grep -a -o '{"cpu.*' | head -n 1 || :
            ;;
        /api/v1/stream) curl --silent --no-buffer --max-time 5 "$1$2" | sed -n 's/^data: *//p' | head -n 1 || : ;;
        /api/processes) get --header 'accept: application/json' "$1$2" ;;
        /api/process) get "$1$2?pid=1" ;;
        *) curl --silent --show-error --max-time 20 --write-out '\n' "$1$2" ;;
    esac
}

# Every key with the type of what stands there, null where nothing is known; rows of a list together.
shape() { jq -r '[paths(type != "object" and type != "array") as $p | [($p | map(if type == "number" then "[]" else . end) | join(".")), (getpath($p) | type)] | @text] | unique[]' 2>/dev/null || echo "no JSON"; }

# What only the one or the other has, and has again when both are asked again.
different_shape() {
    diff <(answered "$ROOT" "$1" | shape) <(answered "$SERVICE" "$1" | shape) | grep '^[<>]' | sort || :
}

check_routes() {
    fresh
    root_server
    local routes
    # All that are documented, but for those with a part to fill in; Glances' plugins are in its /all.
    mapfile -t routes < <(get "$SERVICE/api/v1/openapi.json" | jq -r '.paths | to_entries[] | select(.value.get) | .key | select(contains("{") | not)')
    [ ${#routes[@]} -ge 22 ] || no "only ${#routes[@]} routes: ${routes[*]}"
    : >/tmp/wrong-routes
    for route in "${routes[@]}" /api/4/all /api/3/all /api/4/status /api/4/pluginslist; do
        [ -n "$(answered "$SERVICE" "$route" | tr -d '\000' | head -c 1)" ] || { echo "$route: no answer" >>/tmp/wrong-routes; continue; }
        case $route in
            # Text, compared line by line below; and what happened since each of them was started.
            /metrics | /api/v1/history) continue ;;
        esac
        different_shape "$route" >/tmp/wrong
        for _ in 1 2 3; do
            [ -s /tmp/wrong ] || break
            different_shape "$route" >/tmp/now
            comm -12 /tmp/wrong /tmp/now >/tmp/still
            mv /tmp/still /tmp/wrong
        done
        # Whose sockets these are is told to who may know it: see check_rights.
        sed "s|^|$route: |" /tmp/wrong | grep -v -E 'connections|sockets' >>/tmp/wrong-routes || :
    done
    [ ! -s /tmp/wrong-routes ] || { cat /tmp/wrong-routes; no "routes differ (< only root's, > only the service's)"; }
    [ "$(get "$SERVICE/api/v1/snapshot" | jq -r .processes.visibility)" = all ]
}

# The process behind the socket of another user, as the documentation says.
check_rights() {
    fresh
    root_server
    local owner
    owner=$(systemctl show --value --property MainPID psmonitor-root)
    whose() { get "$SERVICE/api/network" | jq '[.connections[] | select(.localaddr.port == 4600 and .status == "LISTEN") | .pid] | max'; }
    [ "$(whose)" = 0 ] || no "without rights it knows whose socket it is: $(whose)"
    mkdir -p /etc/systemd/system/psmonitor.service.d
    printf '[Service]\nCapabilityBoundingSet=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\nAmbientCapabilities=CAP_SYS_PTRACE CAP_DAC_READ_SEARCH\n' \
        >/etc/systemd/system/psmonitor.service.d/rights.conf
    systemctl daemon-reload
    systemctl restart psmonitor
    until_true 60 up
    [ "$(whose)" = "$owner" ] || no "with the rights it says $(whose) instead of $owner"
    fresh
}

# For a proxy: whoever is in the group, and nobody else.
check_unix_socket() {
    fresh
    local path=/run/psmonitor/psmonitor.sock
    setting "listen = [\"127.0.0.1:4500\", \"unix:$path\"]"
    systemctl restart psmonitor
    until_true 60 up
    as_nobody() { setpriv --reuid=nobody --regid=nogroup "$1" curl --silent --fail --max-time 20 --unix-socket "$path" http://localhost/healthz; }
    as_nobody "--groups=$(getent group psmonitor | cut -d: -f3)"
    ! as_nobody --clear-groups || no "everybody may open the socket"
    psmonitor status "unix:$path"
    kill -KILL "$(pid)"
    until_true 60 psmonitor status "unix:$path"
    systemctl stop psmonitor
    [ ! -e "$path" ] || no "the socket is left"
    fresh
}

check_same_numbers() {
    fresh
    root_server
    same_numbers
}

check_reload() {
    fresh
    local before
    before=$(pid)
    install -d -m 750 -g psmonitor /etc/psmonitor
    setting 'token-file = "/etc/psmonitor/tokens"'
    (umask 027; echo a-secret-of-the-test >/etc/psmonitor/tokens; chgrp psmonitor /etc/psmonitor/tokens)
    systemctl reload psmonitor
    until_true 30 [ "$(curl --silent --output /dev/null --write-out '%{http_code}' "$SERVICE/system")" = 401 ]
    get -H 'authorization: Bearer a-secret-of-the-test' "$SERVICE/system" >/dev/null
    psmonitor --token-file /etc/psmonitor/tokens status "$SERVICE" | grep 'its numbers are'
    psmonitor --config /dev/null status "$SERVICE" | grep 'holders of a token'
    [ "$(pid)" = "$before" ] || no "a reload restarts it"
    fresh
    get "$SERVICE/system" >/dev/null
}

check_kill() {
    fresh
    local before
    before=$(pid)
    kill -KILL "$before"
    until_true 60 up
    [ "$(pid)" != "$before" ]
}

check_watchdog() {
    [ "$(systemctl show --value --property WatchdogUSec psmonitor)" != 0 ] || no "the unit has no watchdog"
    fresh
    local before
    before=$(pid)
    kill -STOP "$before"
    until_true 120 up
    [ "$(pid)" != "$before" ] || no "a program that stands still is not restarted"
    systemctl show --property Result,NRestarts psmonitor
}

check_socket_activation() {
    [ -e /usr/lib/systemd/system/psmonitor.socket ] || no "there is no psmonitor.socket"
    ! systemctl is-enabled --quiet psmonitor.socket || no "the socket is enabled by the package"
    systemctl stop psmonitor
    systemctl start psmonitor.socket
    ! systemctl is-active --quiet psmonitor || no "it runs before anybody asks"
    get --retry 3 "$SERVICE/healthz"
    systemctl is-active psmonitor
    systemctl stop psmonitor.socket psmonitor
    fresh
}

check_journal() {
    fresh
    journalctl --unit psmonitor --output json --lines 200 >/tmp/journal
    jq -r '.PRIORITY' /tmp/journal | sort | uniq -c
    jq -e --slurp 'map(select(._COMM == "psmonitor")) | length > 0 and all(.[]; .MESSAGE | test("^\\[?[0-9]{4}-[0-9]{2}-[0-9]{2}T") | not)' /tmp/journal >/dev/null ||
        { jq -r .MESSAGE /tmp/journal | tail -n 5; no "lines carry a time of their own"; }
    # What the log calls an error or a warning is one for the journal too.
    setting 'no-such-key = 1'
    systemctl reload psmonitor || :
    sed -i '/^no-such-key/d' /etc/psmonitor/psmonitor.toml
    until_true 30 sh -c "journalctl --unit psmonitor --priority warning --output cat --since -2min | grep no-such-key"
}

check_dummy_interface() {
    fresh
    ip link add dummy7 type dummy
    ip address add 192.0.2.77/24 dev dummy7
    ip link set dummy7 up
    until_true 30 sh -c "curl -s $SERVICE/network | jq -e '.interfaces | index(\"dummy7\")'"
    until_true 30 sh -c "curl -s $SERVICE/metrics | grep 'device=\"dummy7\"'"
    psmonitor network | jq -e '.dummy7.ip == "192.0.2.77" and .dummy7.netmask == "255.255.255.0"'
    root_server
    same_numbers
    ip link delete dummy7
    until_true 30 sh -c "curl -s $SERVICE/network | jq -e '.interfaces | index(\"dummy7\") | not'"
}

check_mounts() {
    fresh
    truncate -s 300M /var/btrfs.image
    mkfs.btrfs --quiet /var/btrfs.image
    mkdir -p /srv/btrfs "/mnt/a blank" /srv/bound "/media/sub volume"
    mount -o loop /var/btrfs.image /srv/btrfs
    btrfs subvolume create /srv/btrfs/sub >/dev/null
    mount -o "subvol=sub,ro" "$(findmnt -no SOURCE /srv/btrfs)" "/media/sub volume"
    mount -t tmpfs -o size=8M tmpfs "/mnt/a blank"
    mount --bind /etc /srv/bound
    until_true 30 sh -c "curl -s $SERVICE/metrics | grep 'mountpoint=\"/srv/btrfs\"'"
    for place in /srv/btrfs '/mnt/a blank'; do
        get "$SERVICE/metrics" | grep "^node_filesystem_size_bytes.*mountpoint=\"$place\"" || no "$place is missing"
    done
    get "$SERVICE/metrics" | grep '^node_filesystem_readonly.*mountpoint="/media/sub volume"} 1'
    # As df says it.
    local size
    size=$(df --block-size=1 --output=size /srv/btrfs | tail -n 1 | tr -d ' ')
    psmonitor disks | jq -e --argjson size "$size" '[.[] | select(.mount_point == "/srv/btrfs")][0] | .total == $size and .file_system == "btrfs"'
    root_server
    same_numbers
    umount "/media/sub volume" /srv/btrfs "/mnt/a blank" /srv/bound
    until_true 30 sh -c "! curl -s $SERVICE/metrics | grep 'mountpoint=\"/srv/btrfs\"'"
}

check_wifi() {
    fresh
    modprobe mac80211_hwsim radios=2
    until_true 30 test -e /sys/class/net/wlan1
    printf 'interface=wlan0\ndriver=nl80211\nssid=a net\nhw_mode=g\nchannel=6\nwpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_passphrase=a-secret-of-the-test\n' >/tmp/hostapd.conf
    printf 'network={\n ssid="a net"\n psk="a-secret-of-the-test"\n}\n' >/tmp/wpa.conf
    hostapd -B /tmp/hostapd.conf >/tmp/hostapd.log
    wpa_supplicant -B -i wlan1 -c /tmp/wpa.conf >/tmp/wpa.log
    until_true 90 sh -c "iw dev wlan1 link | grep Connected"
    until_true 60 sh -c "curl -s $SERVICE/network | jq -e '.wireless.name == \"a net\"'"
    get "$SERVICE/network" | jq -c .wireless
    local address signal
    address=$(iw dev wlan1 link | sed -n 's/^Connected to \([0-9a-f:]*\).*/\1/p')
    signal=$(iw dev wlan1 link | sed -n 's/.*signal: \(-[0-9]*\) dBm/\1/p')
    get "$SERVICE/network" | jq -e --arg address "$address" --argjson signal "$signal" \
        '.wireless | .channel == 6 and .encryption == "WPA2" and (.address | ascii_downcase) == $address and (.signal - $signal | fabs) <= 3 and (.quality | tonumber) > 0'
    pkill -x wpa_supplicant
    pkill -x hostapd
    until_true 60 sh -c "! iw dev wlan1 link | grep Connected"
    rmmod mac80211_hwsim
    until_true 30 sh -c "curl -s $SERVICE/network | jq -e '.wireless == {}'"
}

# What it tells of others' processes is what it sees of them. The service has a /proc of its own, whatever the machine's hides;
# a plain process of its user has not.
check_hidepid() {
    mount -o remount,hidepid=2 /proc
    fresh
    local all seen visibility
    for way in service user group; do
        case $way in
            user) with=--clear-groups ;;
            group)
                groupadd --force --system proc
                mount -o "remount,hidepid=2,gid=$(getent group proc | cut -d: -f3)" /proc
                with=--groups=$(getent group proc | cut -d: -f3)
                ;;
        esac
        url=$SERVICE
        if [ "$way" != service ]; then
            url=http://127.0.0.1:4700
            systemd-run --quiet --collect --unit psmonitor-user setpriv --reuid=psmonitor --regid=psmonitor "$with" psmonitor --config /dev/null --listen 127.0.0.1:4700
            until_true 60 psmonitor status "$url"
        fi
        get "$url/api/v1/snapshot" | jq -r '[.processes.visibility, .processes.count] | @tsv' >/tmp/seen
        read -r visibility seen </tmp/seen
        all=$(find /proc -maxdepth 1 -name '[0-9]*' | wc -l)
        echo "$way: $visibility, $seen of $all"
        case $visibility in
            all) [ "$seen" -ge $((all - 10)) ] || no "it says that it sees all" ;;
            limited) [ "$seen" -le $((all / 2)) ] || no "it says that it does not see all" ;;
            *) no "it says nothing" ;;
        esac
        case $way in
            user) [ "$visibility" = limited ] ;;
            *) [ "$visibility" = all ] ;;
        esac || no "a $way sees $visibility"
        [ "$way" = service ] || systemctl stop psmonitor-user
    done
    mount -o remount,hidepid=0,gid=0 /proc
    fresh
}

# Reads a stream over a step of the clock; every frame is whole.
check_clock_step() {
    mount -o remount,hidepid=0,gid=0 /proc
    fresh
    for step in '+2 hours' '-2 hours'; do
        curl --silent --no-buffer --max-time 12 "$SERVICE/api/v1/stream" >/tmp/stream &
        sleep 4
        date --set "$step" >/dev/null
        wait || :
        grep '^data:' /tmp/stream | sed 's/^data: *//' | jq -r '[.interval_seconds, .cpu.total.busy_ratio, (.uptime_seconds != null)] | @tsv' >/tmp/rows
        [ "$(wc -l </tmp/rows)" -ge 6 ] || { cat /tmp/rows; no "the stream stopped"; }
        awk '$1 != "" && ($1 <= 0 || $1 > 30) || $2 < 0 || $2 > 1 || $3 != "true"' /tmp/rows | grep . && no "a frame is wrong" || :
        up
        get "$SERVICE/metrics?collect[]=time" | awk -v now="$(date +%s)" '/^node_time_seconds / { if ($2 - now > 10 || now - $2 > 10) exit 1 }' ||
            no "the time is not the machine's"
    done
}

check_commands() {
    for command in cpu memory processes disks network; do
        setpriv --reuid=nobody --regid=nogroup --clear-groups psmonitor "$command" | jq -e 'length > 0' >/dev/null || no "$command"
    done
    [ "$(psmonitor memory | jq .total)" = "$(awk '/^MemTotal/ { printf "%d", $2 * 1024 }' /proc/meminfo)" ]
    psmonitor-headless --version
    # A fault in the server's file keeps nobody from looking at the machine, and is told.
    setting 'no-such-key = 1'
    psmonitor memory 2>/tmp/said | jq -e '.total > 0'
    grep 'line .*no-such-key' /tmp/said
    ! psmonitor check-config 2>/dev/null || no "a wrong file passes"
    sed -i '/^no-such-key/d' /etc/psmonitor/psmonitor.toml
    psmonitor check-config | grep '^port = 4500'
}

# With what a container's manager leaves, and limits of its control group (version 2).
check_container() {
    fresh
    get "$SERVICE/api/v1/snapshot" | jq -e '.container == null' >/dev/null || no "the service calls itself a container"
    local url=http://127.0.0.1:4800
    touch /run/.containerenv
    systemd-run --quiet --collect --unit psmonitor-contained --property MemoryMax=200M --property CPUQuota=50% --property TasksMax=60 \
        psmonitor --config /dev/null --listen 127.0.0.1:4800
    until_true 60 psmonitor status "$url"
    [ "$(get "$url/healthz")" = "ok (a container's view)" ]
    get "$url/api/v1/snapshot" | jq .container
    get "$url/api/v1/snapshot" | jq -e '.container | .cgroup_version == 2 and .memory_limit_bytes == 209715200 and .cpu_limit_cores == 0.5
        and .task_limit == 60 and .tasks > 0 and .memory_used_bytes > 0 and .memory_used_bytes < 209715200' >/dev/null
    journalctl --unit psmonitor-contained --output cat | grep "this is a container's view"
    systemctl stop psmonitor-contained
    rm /run/.containerenv
}

check_security() {
    local exposure
    exposure=$(systemd-analyze security psmonitor --no-pager | sed -n 's/.*Overall exposure level[^0-9]*\([0-9.]*\).*/\1/p')
    echo "exposure $exposure"
    awk -v found="$exposure" 'BEGIN { exit found <= 2.5 ? 0 : 1 }'
}

check_stop() {
    fresh
    curl --silent --no-buffer "$SERVICE/api/v1/stream" >/dev/null &
    local begin
    begin=$(cut -d. -f1 /proc/uptime)
    systemctl stop psmonitor
    [ $(($(cut -d. -f1 /proc/uptime) - begin)) -le 6 ] || no "it took $(($(cut -d. -f1 /proc/uptime) - begin)) s to stop"
    [ "$(systemctl show --value --property Result psmonitor)" = success ]
    [ "$(systemctl show --value --property ExecMainStatus psmonitor)" = 0 ]
    ! up 2>/dev/null || no "it still answers"
    fresh
}

# What README.md says about a service for the network, as it stands there. There is no openssl here; all that is wanted of it
# is a secret.
check_readme() {
    grep -q '^systemctl restart psmonitor$' /vm/with-a-token
    openssl() { head -c 32 /dev/urandom | sha256sum | cut -d' ' -f1; }
    . /vm/with-a-token >/tmp/said
    until_true 60 up
    tail -n 6 /tmp/said
    local answer name
    for name in "$(hostname):4500" 127.0.0.1:4500; do
        answer=$(curl --silent --output /dev/null --write-out '%{http_code}' --header "host: $name" "$SERVICE/system")
        [ "$answer" = 401 ] || no "without the token $name answers $answer"
        get --header "host: $name" --header "authorization: Bearer $(cat /etc/psmonitor/tokens)" "$SERVICE/system" >/dev/null
    done
    [ -n "$(ls /var/lib/psmonitor)" ] || no "there is no history"
    [ "$(stat --format '%a %U %G' /etc/psmonitor/tokens)" = '640 root psmonitor' ]
    fresh
}

check_purge() {
    systemctl stop psmonitor-root 2>/dev/null || :
    install -d -o psmonitor -g psmonitor /var/lib/psmonitor
    echo keep >/var/lib/psmonitor/file
    dpkg --remove psmonitor
    ! systemctl is-active --quiet psmonitor || no "the service still runs"
    [ ! -e /usr/bin/psmonitor ]
    [ -e /etc/psmonitor/psmonitor.toml ] && [ -e /var/lib/psmonitor/file ] || no "removing takes what only purging may"
    dpkg --purge psmonitor
    for left in /etc/psmonitor /var/lib/psmonitor /usr/lib/systemd/system/psmonitor.service /etc/systemd/system/multi-user.target.wants/psmonitor.service; do
        [ ! -e "$left" ] && [ ! -L "$left" ] || no "$left is left"
    done
    id psmonitor >/dev/null
    # And once more from nothing, with what somebody put beside it.
    dpkg --install /vm/now.deb
    until_true 60 up_installed
    echo a-secret-of-the-test >/etc/psmonitor/tokens
    dpkg --purge psmonitor
    [ -e /etc/psmonitor/tokens ] || no "purging takes what others made"
}

# What docs/service.md says for those without the package, as it stands there but for the build.
check_by_hand() {
    ! [ -e /usr/bin/psmonitor ] || no "the package is still there"
    rm -rf /etc/psmonitor
    cd /vm/clone
    sed '/^cargo /d' /vm/by-hand >/tmp/by-hand
    bash -e /tmp/by-hand
    up
    systemctl is-enabled psmonitor
    psmonitor check-config | grep '^port = 4500'
}

up_installed() { /usr/bin/psmonitor status "$SERVICE"; }
