// Command kubelet-probe asks as kubelet does, with kubelet's own code: kubelet-probe ADDRESS PORT SERVICE TIMEOUT.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"k8s.io/kubernetes/pkg/probe"
	"k8s.io/kubernetes/pkg/probe/grpc"
)

func main() {
	if len(os.Args) != 5 {
		fail(fmt.Errorf("usage: %s ADDRESS PORT SERVICE TIMEOUT", os.Args[0]))
	}
	port, err := strconv.Atoi(os.Args[2])
	fail(err)
	timeout, err := time.ParseDuration(os.Args[4])
	fail(err)
	result, output, err := grpc.New().Probe(os.Args[1], os.Args[3], port, timeout)
	fail(err)
	fmt.Println(result, output)
	if result != probe.Success {
		os.Exit(1)
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}
