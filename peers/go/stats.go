package main

import (
	"encoding/json"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

var pgxVersion = "pgx" // the build says which

func readFile(path string) string {
	text, _ := os.ReadFile(path)
	return strings.TrimSpace(string(text))
}

func seconds(t syscall.Timeval) float64 {
	return float64(t.Sec) + float64(t.Usec)/1e6
}

// stats is the body of GET /stats; common/API.md has the units.
func (s *server) stats() []byte {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	status := readFile("/proc/self/status")
	field := func(name string) int {
		number := 0
		if match := regexp.MustCompile(`(?m)^` + name + `:\s+(\d+)`).FindStringSubmatch(status); match != nil {
			number, _ = strconv.Atoi(match[1])
		}
		return number
	}
	body, _ := json.Marshal(map[string]any{
		"model":                "go",
		"version":              runtime.Version() + " " + pgxVersion,
		"build":                runtime.Compiler + " " + runtime.GOOS + "/" + runtime.GOARCH,
		"pid":                  os.Getpid(),
		"boot_id":              readFile("/proc/sys/kernel/random/boot_id"),
		"cpus":                 len(regexp.MustCompile(`(?m)^cpu\d`).FindAllString(readFile("/proc/stat"), -1)),
		"start_time":           s.started.UTC().Format(time.RFC3339),
		"uptime_s":             time.Since(s.started).Seconds(),
		"cpu_user_s":           seconds(usage.Utime),
		"cpu_system_s":         seconds(usage.Stime),
		"ctx_voluntary":        usage.Nvcsw,
		"ctx_involuntary":      usage.Nivcsw,
		"rss_kib":              field("VmRSS"),
		"rss_peak_kib":         field("VmHWM"),
		"threads":              field("Threads"),
		"workers":              runtime.GOMAXPROCS(0),
		"connections_open":     s.connectionsOpen.Load(),
		"connections_accepted": s.connectionsAccepted.Load(),
		"requests":             s.requests.Load(),
		"replies_4xx":          s.replies4xx.Load(),
		"replies_5xx":          s.replies5xx.Load(),
		"queries":              s.queries.Load(),
		"query_s":              float64(s.queryNs.Load()) / 1e9,
		"pool_size":            cap(s.db.turns),
		"pool_waits":           s.db.waits.Load(),
		"pool_wait_s":          float64(s.db.waitNs.Load()) / 1e9,
		"db_connects":          s.db.connects.Load(),
		"db_lost":              s.db.lost(),
	})
	return body
}
