#!/bin/sh
# Prints what became of each fault: table.sh FAULTS RESULTS
# FAULTS lists all faults, a line each. RESULTS has a line for each test that ended: its result,
# its seconds and its fault, with tabs between them. Status 1 if a test did not
# hold, or a fault was not injected at all.
exec awk -F '\t' '
BEGIN { rank["held"] = 1; rank["skipped"] = 2; rank["FAILED"] = 3 }
FILENAME == ARGV[1] { order[++faults] = $0; next }
{
    seconds[$3] += $2
    if (rank[$1] > rank[result[$3]]) result[$3] = $1
}
END {
    printf "%-42s %-10s %9s\n", "fault", "result", "seconds"
    for (i = 1; i <= faults; i++) {
        fault = order[i]
        if (fault in result) {
            printf "%-42s %-10s %9.1f\n", fault, result[fault], seconds[fault]
            count[result[fault]]++
        } else {
            printf "%-42s %-10s %9s\n", fault, "not run", "-"
            count["not run"]++
        }
    }
    printf "\n%d faults: %d held, %d failed, %d skipped, %d not run\n", \
        faults, count["held"], count["FAILED"], count["skipped"], count["not run"]
    exit count["FAILED"] + count["not run"] > 0
}' "$1" "$2"
