//go:build tools

// Package tools names what the chart is tested against, so that go.sum pins it.
package tools

import (
	_ "go.etcd.io/etcd/server/v3"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
