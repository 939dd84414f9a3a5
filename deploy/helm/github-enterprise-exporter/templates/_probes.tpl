{{/*
Over plain HTTP the kubelet asks by itself. With a web configuration it can neither log in nor show a certificate, but the
exporter's own command can. That starts a process each time, so it asks less often, and it asks for /-/healthy only.
*/}}
{{- define "github-enterprise-exporter.probes" -}}
{{- if .Values.webConfig.existingSecrets -}}
startupProbe:
  {{- include "github-enterprise-exporter.healthcheck" . | nindent 2 }}
  periodSeconds: 5
  failureThreshold: 12
livenessProbe:
  {{- include "github-enterprise-exporter.healthcheck" . | nindent 2 }}
  periodSeconds: 30
readinessProbe:
  {{- include "github-enterprise-exporter.healthcheck" . | nindent 2 }}
  periodSeconds: 30
{{- else -}}
startupProbe:
  httpGet: {path: {{ include "github-enterprise-exporter.prefix" . }}/-/healthy, port: github-metrics}
  periodSeconds: 2
  failureThreshold: 30
livenessProbe:
  httpGet: {path: {{ include "github-enterprise-exporter.prefix" . }}/-/healthy, port: github-metrics}
  periodSeconds: 30
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: {{ include "github-enterprise-exporter.prefix" . }}/-/ready, port: github-metrics}
  periodSeconds: 10
  timeoutSeconds: 5
{{- end }}
{{- end }}

{{- define "github-enterprise-exporter.healthcheck" -}}
exec:
  command:
    - github-enterprise-exporter
    - healthcheck
    {{- if or .Values.config .Values.existingConfigSecret }}
    - --config.file=/etc/github-enterprise-exporter/config.yaml
    {{- end }}
    - {{ include "github-enterprise-exporter.webConfigFlag" . }}
timeoutSeconds: 10
{{- end }}
