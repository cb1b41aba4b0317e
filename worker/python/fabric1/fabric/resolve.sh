# The path $1 as SFTP takes it: relative to the home directory, in which a session starts, sudo or
# not. POSIX sh; it must also run in dash and BusyBox.

case $1 in
'' | '~') path=$(pwd) ;;
'~/'*) path=$(pwd)${1#'~'} ;;
/*) path=$1 ;;
*) path=$(pwd)/$1 ;;
esac
