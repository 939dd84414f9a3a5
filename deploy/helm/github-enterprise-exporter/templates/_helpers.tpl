{{/* The name of the objects: the release's, with the chart's unless it is part of it. With a revision's hash it must fit into a label. */}}
{{- define "github-enterprise-exporter.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{/* What selects the pods, and never changes. */}}
{{- define "github-enterprise-exporter.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "github-enterprise-exporter.labels" -}}
{{ include "github-enterprise-exporter.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The metadata of an object that has the release's name. */}}
{{- define "github-enterprise-exporter.metadata" -}}
name: {{ include "github-enterprise-exporter.fullname" . }}
namespace: {{ .Release.Namespace }}
labels:
  {{- include "github-enterprise-exporter.labels" . | nindent 2 }}
{{- end }}

{{- define "github-enterprise-exporter.serviceAccountName" -}}
{{- $own := ternary (include "github-enterprise-exporter.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end }}

{{- define "github-enterprise-exporter.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end -}}
{{- end }}

{{/* What each path begins with: the configuration's route prefix, or the path of its external URL. */}}
{{- define "github-enterprise-exporter.prefix" -}}
{{- $web := default dict (default dict .Values.config).web -}}
{{- $path := default "" $web.route_prefix | default (get (urlParse (default "" $web.external_url)) "path") -}}
{{- with trimAll "/" $path }}/{{ . }}{{ end -}}
{{- end }}

{{- define "github-enterprise-exporter.webConfigFlag" -}}
--web.config.file=/run/secrets/github-enterprise-exporter-web/{{ .Values.webConfig.file }}
{{- end }}

{{/* The variables of several shards, those by which the command healthcheck logs in, and those of the values; may be empty. */}}
{{- define "github-enterprise-exporter.env" -}}
{{- if gt (int .Values.shards) 1 }}
- {name: GITHUB_EXPORTER_TOTAL_SHARDS, value: {{ .Values.shards | quote }}}
{{- end }}
{{- with .Values.webConfig }}
{{- if .existingSecrets }}
{{- with .healthcheck.user }}
- {name: GITHUB_EXPORTER_HEALTHCHECK_USER, value: {{ . | quote }}}
{{- end }}
{{- range $key, $variable := dict "passwordFile" "PASSWORD_FILE" "certFile" "CERT_FILE" "keyFile" "KEY_FILE" }}
{{- with index $.Values.webConfig.healthcheck $key }}
- {name: GITHUB_EXPORTER_HEALTHCHECK_{{ $variable }}, value: /run/secrets/github-enterprise-exporter-web/{{ . }}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}
