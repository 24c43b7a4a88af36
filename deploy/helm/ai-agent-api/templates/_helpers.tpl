{{- /* The labels of everything that belongs to one component: "name". */ -}}
{{- define "agentapi.labels" -}}
app.kubernetes.io/name: {{ . }}
app.kubernetes.io/part-of: agentapi
{{- end }}

{{- /* The namespace of a service: "root", "service". */ -}}
{{- define "agentapi.namespace" -}}
{{ ternary .root.Values.sandboxes.namespace .root.Release.Namespace (.service.sandboxes | default false) }}
{{- end }}

{{- define "agentapi.image" -}}
{{ .root.Values.image.prefix }}/{{ .name }}:{{ .root.Values.image.tag | default .root.Chart.AppVersion }}
{{- end }}

{{- /* What pods of one component have of a pod's specification: "root", "name", "grace". */ -}}
{{- define "agentapi.pod" -}}
serviceAccountName: {{ .name }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
priorityClassName: {{ .root.Values.priorityClass.name }}
{{- end }}

{{- define "agentapi.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ .user | default 10001 }}
runAsGroup: {{ .user | default 10001 }}
fsGroup: {{ .user | default 10001 }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "agentapi.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* The part of a container's security that starts sandboxes needs: the values "sandboxes". */ -}}
{{- define "agentapi.sandboxSecurity" -}}
procMount: Unmasked
seccompProfile: {type: Localhost, localhostProfile: {{ .seccompProfile }}}
{{- with .appArmorProfile }}
appArmorProfile: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* The environment: files of secrets, settings of all services, and those of this one: "root", "service". */ -}}
{{- define "agentapi.environment" -}}
{{- $values := dict }}
{{- range $variable, $key := .service.secrets }}{{ $_ := set $values $variable (printf "/run/secrets/%s" $key) }}{{ end }}
{{- if .root.Values.natsAuthority }}{{ $_ := set $values "SSL_CERT_DIR" "/etc/ssl/certs:/run/secrets" }}{{ end }}
{{- if hasKey .service.secrets "DATABASE_URL_FILE" }}{{ $_ := set $values "DRAIN_SECONDS" (.service.drainSeconds | default 10) }}{{ end }}
{{- if hasKey .service "sandboxes" }}{{ $_ := set $values "SANDBOX_REQUIRED" .service.sandboxes }}{{ end }}
{{- range $settings := list .root.Values.settings (.service.settings | default dict) }}
{{- range $variable, $value := $settings }}{{ $_ := set $values $variable $value }}{{ end }}
{{- end }}
{{- range $variable, $value := $values }}
- {name: {{ $variable }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- /* The volume of a Secret: "root", "secret", "secrets", and "bus" if it has the certificate authority of NATS. */ -}}
{{- define "agentapi.secretVolume" -}}
- name: secrets
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
    items:
      {{- range (values .secrets | sortAlpha) }}
      - {key: {{ . }}, path: {{ . }}}
      {{- end }}
      {{- if and .bus .root.Values.natsAuthority }}
      - {key: nats-ca.pem, path: {{ .root.Values.natsAuthority }}}
      {{- end }}
{{- end }}

{{- /* A peer of a NetworkPolicy: public addresses. */ -}}
{{- define "agentapi.internet" -}}
- to:
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16, 224.0.0.0/3]
    - ipBlock: {cidr: "::/0", except: ["::/96", "64:ff9b::/96", "fc00::/7", "fe80::/10", "ff00::/8"]}
{{- end }}

{{- /* A rule of egress: "to", which may be empty, and "port". */ -}}
{{- define "agentapi.egress" -}}
- {{ with .to }}to: {{ toJson . }}
  {{ end }}ports: [{port: {{ .port }}}]
{{- end }}
