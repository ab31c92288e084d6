// The parts of a Kubernetes control plane in one program, for the tests:
//
//	kubernetes etcd|kube-apiserver|kube-controller-manager|kubectl [flags]
//
// Called by the name of a part (a link to the program), it is that part.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
)

const usage = "usage: kubernetes etcd|kube-apiserver|kube-controller-manager|kubectl [flags]"

var parts = map[string]func(args []string) int{
	"etcd": func(args []string) int {
		etcdmain.Main(args)
		return 0
	},
	"kube-apiserver":          command(apiserver.NewAPIServerCommand),
	"kube-controller-manager": command(controllers.NewControllerManagerCommand),
	"kubectl": func(args []string) int {
		os.Args = args
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
		return 0
	},
}

// command runs a cobra command with the arguments of the part alone.
func command(build func() *cobra.Command) func(args []string) int {
	return func(args []string) int {
		os.Args = args
		return cli.Run(build())
	}
}

func main() {
	args := append([]string(nil), os.Args...)
	args[0] = filepath.Base(args[0])
	part, ok := parts[args[0]]
	if !ok && len(args) > 1 {
		args = args[1:]
		part, ok = parts[args[0]]
	}
	if !ok {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	os.Exit(part(args))
}
