#!/bin/sh
# Makes the node fit for the calls: a user who may become root, and witnesses in the place of
# programs that need a network, a service manager, a disc or another system. A witness writes into
# the log how it was called, and answers what such a program would answer.
set -eu

useradd --uid 4711 --create-home --shell /bin/bash deploy
usermod --password '*' deploy
mkdir -p /etc/sudoers.d
echo 'deploy ALL=(ALL:ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy
chmod 440 /etc/sudoers.d/deploy
# Nothing of this machine's users belongs into what is compared.
printf 'umask 022\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nexport PATH\n' >/etc/profile
rm -f /home/deploy/.profile /home/deploy/.bash*
printf '127.0.0.1 localhost\n127.0.1.1 node\n' >/etc/hosts
mkdir -p /etc/apache2/mods-enabled /etc/apache2/sites-enabled /etc/apache2/sites-available \
    /etc/nginx/sites-enabled /etc/nginx/sites-available /etc/supervisor/conf.d /etc/shorewall \
    /etc/apt/sources.list.d /etc/apt/preferences.d /etc/sysctl.d /etc/cron.d /etc/default \
    /etc/rc1.d /etc/rc2.d /etc/rc3.d /etc/rc4.d /etc/rc5.d /etc/init.d /etc/postgresql \
    /var/lib/apt/periodic /usr/share/i18n /etc/yum.repos.d /etc/logrotate.d
echo startup=0 >/etc/default/shorewall
printf 'en_US.UTF-8 UTF-8\nfr_FR.UTF-8 UTF-8\nde_DE ISO-8859-1\n' >/usr/share/i18n/SUPPORTED
printf '# en_US.UTF-8 UTF-8\n' >/etc/locale.gen
printf '#PasswordAuthentication yes\nPermitRootLogin yes\n' >/etc/ssh/sshd_config
mkdir -p /home/tree/sub
printf 'one\ntwo # three\n# four\n\nfive\n' >/home/tree/lines
printf 'deep\n' >/home/tree/sub/deep
ln -s lines /home/tree/link
chown -R deploy: /home/tree
chmod 640 /home/tree/lines
touch -d '2015-05-05 05:05:05 UTC' /home/tree/lines /home/tree/sub/deep

cat >/usr/local/sbin/witness <<'WITNESS'
#!/bin/sh
name=${0##*/}
# In a single write, since there may be several at once.
line="$(id -un) $name"
for word; do line="$line [$word]"; done
case "$name $*" in
debconf-set-selections* | chpasswd* | "apt-key add -") line="$line < $(cat)" ;;
esac
printf '%s\n' "$line" >>/run/node/log/calls
last=
for word; do last=$word; done

case $name in
lsb_release)
    case "$*" in
    *-id*) echo "$(cat /etc/distribution 2>/dev/null || echo Debian)" ;;
    *-codename*) echo bookworm ;;
    *-desc*) echo "Debian GNU/Linux 12 (bookworm)" ;;
    *) echo 12.5 ;;
    esac ;;
hostname) [ "${1-}" != --fqdn ] || echo node.example ;;
sysctl) case "$*" in *-w*) ;; *kernel.pid_max*) echo 32768 ;; *) echo 1 ;; esac ;;
service | systemctl)
    case "$*" in
    *absent*) echo "$last is not running"; exit 3 ;;
    *) echo "$last is running" ;;
    esac ;;
pacman | yaourt)
    case "$*" in
    *absent*) echo "error: package '$last' was not found"; exit 1 ;;
    -Q*) echo "$last 1.0-1" ;;
    esac ;;
rpm) case "$*" in *absent*) echo "package $last is not installed"; exit 1 ;; *) echo "$last-1.0" ;; esac ;;
yum)
    case "$*" in
    *repolist*) printf 'repo id repo name\nbase CentOS Base\nepel EPEL\nrepolist: 2\n' ;;
    *"list installed"*absent*) echo "Error: No matching Packages to list" ;;
    *"list installed"*) echo "$last.x86_64 1.0 @base" ;;
    esac ;;
zypper) case "$*" in *search*absent*) echo "No packages found." ;; *search*) echo "i | $last | package" ;; esac ;;
emerge) case "$*" in *-p*absent*) exit 1 ;; *-p*) printf '\n[ebuild   R   ] %s\n' "$last" ;; esac ;;
pkgin) [ "$1" != list ] || echo "present-1.0 a package" ;;
pkg) case "$*" in "info absent") echo "pkg: No package(s) matching absent" ;; info*) echo "$last-1.0" ;; esac ;;
pkgutil | opkg | pkginfo)
    case "$*" in *absent*) exit 1 ;; *) echo "$last - 1.0"; echo "Status: install ok installed" ;; esac ;;
mysql | psql)
    case "$*" in
    *absent*) exit 1 ;;
    *COUNT* | *count*) echo 1 ;;
    *'SHOW DATABASES'* | *"information_schema"*) echo present ;;
    *) echo present ;;
    esac ;;
supervisorctl)
    case "$*" in
    "status absent") echo "No such process absent" ;;
    status*) echo "$last RUNNING pid 4, uptime 1:00:00" ;;
    esac ;;
shorewall) printf 'Shorewall-5 Status\n\nShorewall is running\n' ;;
conda)
    case "$*" in
    -V) echo "conda 4.0" ;;
    "info -s") printf 'sys.version: 2.7\nsys.prefix: /opt/miniconda\n' ;;
    "info -e") printf '# conda environments:\npresent   /opt/envs/present\n' ;;
    list*) echo "present 1.0" ;;
    esac ;;
pip)
    case "$*" in
    --version) echo "pip 1.5 from /usr/lib/python2.7 (python 2.7)" ;;
    freeze) printf 'Present==1.0\nother==2.0\n' ;;
    esac ;;
virtualenv) mkdir -p "$last/bin" && : >"$last/bin/python" && echo "VIRTUAL_ENV='$last'" >"$last/bin/activate" ;;
npm) case "$*" in *list*) echo '{"dependencies": {"present": {"version": "1.0"}}}' ;; esac ;;
node) echo v0.10.13 ;;
java) echo 'java version "1.7.0_25"' >&2 ;;
mount) [ $# -gt 0 ] || printf '/dev/mapper/home on /home type ext4 (rw)\n' ;;
swapon) case "$*" in -s) printf 'Filename Type Size Used Priority\n/dev/swap1 partition 1 0 -1\n' ;; esac ;;
sfdisk) printf '/dev/sdx1 : start= 1, size= 2, Id=83\n/dev/sdx2 : start= 3, size= 4, Id=82, bootable\n' ;;
blkid) case "$*" in *absent*) exit 2 ;; *) echo /dev/sdx1 ;; esac ;;
ifconfig)
    case "$*" in
    -s) printf 'Iface   MTU\nlo 65536\neth0 1500\n' ;;
    *) printf '%s Link encap:Ethernet HWaddr 00:11:22:aa:bb:cc\n  inet addr:192.0.2.7 Mask:255.255.255.0\n' "$last" ;;
    esac ;;
ip) echo "inet 192.0.2.7/24" ;;
dmidecode) echo 01234567-89AB-CDEF-0123-456789ABCDEF ;;
apt-key) echo OK ;;
gpg) case "$*" in *--with-colons*) echo "pub:-:1024:17:A04B7C7BD9BF62::" ;; *--fingerprint*absent*) exit 2 ;; esac ;;
curl | wget)
    output=
    for word; do
        case $word in *://*) output=${word##*/} ;; esac
    done
    take=
    for word; do
        [ -z "$take" ] || output=$word
        case $word in -O | -o | --output-document) take=1 ;; *) take= ;; esac
    done
    case "$output" in
    *://*) output=${output##*/} ;;
    esac
    case $output in - | "") echo "fetched" ;; *) echo "fetched" >"$output" ;; esac ;;
tar)
    for word; do
        case $word in *.tar.gz) archive=${word##*/}; into=${archive%.tar.gz} ;; esac
    done
    mkdir -p "$into/src" "$into/bin"
    printf '#!/bin/sh\n' >"$into/configure"
    for file in benchmark check-aof check-dump cli sentinel server; do echo "$file" >"$into/src/redis-$file"; done
    chmod 755 "$into/configure" ;;
git | hg) case "$*" in *clone*://*" "*) mkdir -p "$last/.$name" ;; esac ;;
ssh-keyscan) printf '%s ssh-rsa AAAAB3Nza\n' "$last" ;;
vzctl) case "$*" in "status "*) echo "CTID $2 exist mounted running" ;; esac ;;
vzlist) printf '101\n102\n' ;;
apache2ctl | nginx) exit 1 ;;
locale) printf 'C\nC.UTF-8\nPOSIX\nen_US.utf8\n' ;;
esac
WITNESS
chmod 755 /usr/local/sbin/witness
for name in apt-get apt-key add-apt-repository debconf-set-selections dpkg-reconfigure aptitude \
    lsb_release hostname sysctl service systemctl pacman yaourt rpm yum zypper emerge revdep-rebuild \
    pkgin pkg pkgutil pkginfo opkg pw mysql mysqladmin psql createdb dropdb supervisorctl shorewall \
    conda pip virtualenv easy_install npm node java mount umount swapon mkswap mkfs.ext3 sfdisk blkid \
    ifconfig ip dmidecode gpg curl wget vzctl vzlist locale locale-gen a2enmod a2dismod a2ensite \
    a2dissite git hg reboot shutdown make gcc tar gvm docker install-language-pack chkconfig \
    alternatives update-rc.d postconf newaliases ssh-keyscan apache2ctl checkinstall chpasswd; do
    ln -s witness "/usr/local/sbin/$name"
done
ln -sf /usr/local/sbin/witness /sbin/sysctl
ln -sf /usr/local/sbin/witness /usr/bin/mysqladmin
ln -sf /usr/local/sbin/witness /sbin/ifconfig
ln -sf /usr/local/sbin/witness /usr/bin/lsb_release
mkdir -p /usr/share/locales
ln -sf /usr/local/sbin/witness /usr/share/locales/install-language-pack
echo 'CONDA_DEFAULT_ENV=$1' >/usr/local/bin/activate
mkdir -p /var/lib/vz/template/cache
ln -sf /usr/bin/python3 /usr/local/bin/python
